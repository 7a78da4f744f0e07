// What to do with a file, by what the journal knows of it. Pure.

import type { JournalEntry } from './journal-records.js'

export type FilePlan =
  /** It was sent before: nothing is to do if it still is on the server. */
  | { act: 'ask'; url: string; sha256: string | null; generation: number }
  | { act: 'resume'; begun: Begun }
  | {
      act: 'begin'
      generation: number
      /** Of uploads that are of no use any more. */
      cancelUrls: readonly string[]
      /** The file is another one than when it was sent, or than when that was begun. */
      changedSince: 'sent' | 'begun' | null
    }

/** An upload that was begun, and how far it is known to be good. */
export interface Begun {
  generation: number
  url: string | null
  /** Of a file that is sent in several uploads at once. */
  partUrls: readonly (string | null)[] | null
  prefix: { bytes: number; sha256: string } | null
}

/** @param version of the file as it is now */
export function planOf(known: JournalEntry | undefined, version: string): FilePlan {
  if (known === undefined) return begin(0)
  const { state, generation, url, partUrls, prefix, sha256 } = known
  const isSame = known.version === version
  if (state === 'ended') return begin(generation)
  if (state === 'done') {
    if (!isSame || url === null) return { ...begin(generation), changedSince: isSame ? null : 'sent' }
    return { act: 'ask', url, sha256, generation }
  }
  if (isSame) return { act: 'resume', begun: { generation, url, partUrls, prefix } }
  return { act: 'begin', generation, cancelUrls: urlsOf(known), changedSince: 'begun' }
}

function begin(generation: number): FilePlan & { act: 'begin' } {
  return { act: 'begin', generation, cancelUrls: [], changedSince: null }
}

/** All uploads that it has on the server. */
export function urlsOf({ url, partUrls }: Pick<Begun, 'url' | 'partUrls'>): string[] {
  return [url, ...(partUrls ?? [])].filter((one) => one !== null)
}
