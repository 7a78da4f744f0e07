// --verify: after all was sent, the local files are read once more and held against what the server says it has.

import { isFileTrouble, readTrouble } from '../file-trouble.js'
import { plainText } from '../plain-text.js'
import type { Progress } from '../progress/progress.js'
import { digestFile } from '../verify/digest-file.js'
import type { Journal } from './journal.js'
import type { Remote } from './remote.js'
import type { FileSender } from './send-file.js'
import type { Found, LocalFile } from './walk.js'

export interface VerifyAgainOptions {
  sender: Pick<FileSender, 'keyOf'>
  journal: Journal
  remote: Remote
  progress: Progress
  signal: AbortSignal
}

export interface Verified {
  sameFiles: number
  /** Each is told by a line. */
  differingFiles: number
}

/** Files that were not sent are passed over: that has been told. */
export async function verifyAgain(
  found: AsyncIterable<Found>,
  options: VerifyAgainOptions,
): Promise<Verified> {
  const { sender, journal, remote, progress, signal } = options
  const verified: Verified = { sameFiles: 0, differingFiles: 0 }
  let id = 0
  for await (const file of found) {
    signal.throwIfAborted()
    if (file.kind !== 'file') continue
    const entry = journal.get(sender.keyOf(file))
    if (entry?.state !== 'done' || entry.url === null) continue
    id += 1
    const name = `again ${id}`
    progress.begin(name, plainText(file.relativePath), file.sizeBytes)
    const onRead = (bytes: number) => {
      progress.resume(name, bytes)
      progress.move(name, bytes, 'reading it once more')
    }
    const there = await remote.find(entry.url)
    const fault = await faultOf(file, there?.sha256 ?? null, { signal, onRead })
    progress.end(name, fault === null ? 'kept' : 'failed')
    if (fault === null) verified.sameFiles += 1
    else {
      verified.differingFiles += 1
      progress.warn(`${plainText(file.path)} differs from what the server has: ${fault}.`)
    }
  }
  return verified
}

async function faultOf(
  file: LocalFile,
  sha256: string | null,
  reading: Parameters<typeof digestFile>[1],
): Promise<string | null> {
  if (sha256 === null) return 'it is not there any more'
  try {
    const here = await digestFile(file.path, reading)
    return here.sha256 === sha256 ? null : `its SHA-256 is ${here.sha256} here and ${sha256} there`
  } catch (error) {
    if (isFileTrouble(error)) return readTrouble(error)
    throw error
  }
}
