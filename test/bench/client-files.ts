// Files on disk for the clients that read some.

import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { payloadBlocks, sha256Of, smallPayload } from './payload.js'

const FILES_PER_FOLDER = 500

export interface ClientFiles {
  /** What to send: a folder, or a file. */
  readonly path: string
  /** Of every file, lowercase hex. */
  readonly sha256s: ReadonlySet<string>
}

/** Many small files in a few folders; no two are alike. */
export async function makeSmallFiles(
  path: string,
  { fileCount, sizeBytes, seed }: { fileCount: number; sizeBytes: number; seed: number },
): Promise<ClientFiles> {
  const sha256s = new Set<string>()
  for (let index = 0; index < fileCount; index += 1) {
    const folder = join(path, `part-${Math.floor(index / FILES_PER_FOLDER)}`)
    if (index % FILES_PER_FOLDER === 0) await mkdir(folder, { recursive: true })
    const bytes = smallPayload(sizeBytes, seed, index)
    sha256s.add(sha256Of([bytes]))
    await writeFile(join(folder, `${index}.csv`), bytes)
  }
  return { path, sha256s }
}

export async function makeBigFile(path: string, sizeBytes: number, seed: number): Promise<ClientFiles> {
  const file = await open(path, 'w')
  try {
    for (const block of payloadBlocks(sizeBytes, seed)) await file.writeFile(block)
  } finally {
    await file.close()
  }
  return { path, sha256s: new Set([sha256Of(payloadBlocks(sizeBytes, seed))]) }
}
