// What the records make of what a writer tells them: server/uploads/records.ts does the same in SQL.

import type { Ledger, StoredPart } from '../../server/storage/store.js'

/** `ledger` with what was stored since: a part replaces all that begins inside the stretch that it covers. */
export function recorded(ledger: Ledger, stored: Ledger): Ledger {
  const covers = (part: StoredPart, other: StoredPart) =>
    other.startBytes >= part.startBytes && other.startBytes < part.startBytes + part.sizeBytes
  const kept = ledger.parts.filter((old) => !stored.parts.some((part) => covers(part, old)))
  return {
    multipartId: stored.multipartId ?? ledger.multipartId,
    parts: [...kept, ...stored.parts].sort((a, b) => a.startBytes - b.startBytes),
  }
}

/** All of it that whoever goes on writing is told: from the last part on. */
export function forWriter({ multipartId, parts }: Ledger): Ledger {
  const from = parts.findLastIndex(({ kind }) => kind === 'part')
  return { multipartId, parts: parts.slice(Math.max(0, from)) }
}

/** Where the ledger ends. @throws when it has a gap */
export function endOf(ledger: Ledger): number {
  let endBytes = 0
  for (const { startBytes, sizeBytes } of ledger.parts) {
    if (startBytes !== endBytes)
      throw new Error(`After byte ${endBytes} the ledger goes on at ${startBytes}.`)
    endBytes += sizeBytes
  }
  return endBytes
}
