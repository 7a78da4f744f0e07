// Local files held against what the server has, by path or by content. Their bytes stay where they are.

import type { Antipasto } from '../../api/antipasto.js'
import { NotFound } from '../../api/errors.js'
import { isFileTrouble, readTrouble } from '../file-trouble.js'
import { inOrder } from '../in-order.js'
import { plainText } from '../plain-text.js'
import type { Progress } from '../progress/progress.js'
import type { LocalFile, Unsendable } from '../push/walk.js'
import { digestFile } from './digest-file.js'
import { type RemoteContent, type Verified, verdictByDigest, verdictBySize } from './verdict.js'

export interface VerifyOptions {
  files: AsyncIterable<LocalFile | Unsendable>
  /** Null: by content alone, wherever the server has it. */
  index: Map<string, RemoteContent> | null
  antipasto: Antipasto
  /** Whether a path of the server's should be here, too. */
  isMeant(path: string): boolean
  jobs: number
  progress: Progress
  note(line: string): void
  signal: AbortSignal
}

/** Each file in the order of the walk, then what the server has and isn't here. */
export async function* verifyFiles(options: VerifyOptions): AsyncGenerator<Verified, void, undefined> {
  const { files, index, jobs } = options
  const seen = new Set<string>()
  for await (const verified of inOrder(files, jobs, (file) => verifyOne(file, options))) {
    if (verified === null) continue
    seen.add(verified.path)
    yield verified
  }
  for (const [path, { uploadId, sha256 }] of index ?? []) {
    if (seen.has(path) || !options.isMeant(path)) continue
    yield { verdict: 'missing here', path, detail: null, sha256: null, remoteSha256: sha256, uploadId }
  }
}

/** Null for what is no file: it was told, and there is nothing to compare. */
async function verifyOne(file: LocalFile | Unsendable, options: VerifyOptions): Promise<Verified | null> {
  if (file.kind !== 'file') {
    if (file.kind === 'refused') return unreadable(file.path, file.reason)
    options.note(`${plainText(file.path)} was not looked at: ${plainText(file.reason)}`)
    return null
  }
  const key = file.relativePath
  options.progress.begin(key, plainText(key), file.sizeBytes)
  try {
    const verified = await compare(file, options)
    options.progress.end(key, verified.verdict === 'same' ? 'done' : 'failed')
    return verified
  } catch (error) {
    options.progress.end(key, 'failed')
    options.signal.throwIfAborted()
    if (!isFileTrouble(error)) throw error
    return unreadable(file.relativePath, readTrouble(error))
  }
}

async function compare(file: LocalFile, options: VerifyOptions): Promise<Verified> {
  const { index, antipasto, signal, progress } = options
  const path = file.relativePath
  const remote = index?.get(path) ?? null
  if (index !== null && remote === null) return missingThere(path, null)
  const bySize = remote === null ? null : verdictBySize(file.sizeBytes, remote)
  if (remote !== null && bySize !== null) return verdictOf(path, bySize, null, remote, file.sizeBytes)

  const onRead = (bytes: number) => progress.move(path, bytes)
  const { sha256, sizeBytes } = await digestFile(file.path, { signal, onRead })
  if (remote !== null) return verdictOf(path, verdictByDigest(sha256, remote), sha256, remote, sizeBytes)
  const found = await antipasto.files.info(sha256, signal).catch((error: unknown) => {
    if (error instanceof NotFound) return null
    throw error
  })
  if (found === null) return missingThere(path, sha256)
  return {
    verdict: 'same',
    path,
    detail: null,
    sha256,
    remoteSha256: found.file_id,
    uploadId: found.upload_id,
  }
}

function verdictOf(
  path: string,
  verdict: Verified['verdict'],
  sha256: string | null,
  { uploadId, sizeBytes, sha256: remoteSha256 }: RemoteContent,
  localBytes: number,
): Verified {
  const isOtherSize = verdict === 'differs' && localBytes !== sizeBytes
  const detail = isOtherSize ? `${localBytes} bytes here, ${sizeBytes} there` : null
  return { verdict, path, detail, sha256, remoteSha256, uploadId }
}

function missingThere(path: string, sha256: string | null): Verified {
  return { verdict: 'missing there', path, detail: null, sha256, remoteSha256: null, uploadId: null }
}

function unreadable(path: string, reason: string): Verified {
  return { verdict: 'unreadable', path, detail: reason, sha256: null, remoteSha256: null, uploadId: null }
}
