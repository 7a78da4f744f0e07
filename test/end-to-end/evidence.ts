// What tests compare: bytes made from a seed, their digests by node:crypto, and what a server has left on its disk.

import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { expect } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { valueWhen } from '../support/until.js'
import { get, type RawTus } from './raw-tus.js'

export interface Digests {
  readonly md5: string
  readonly sha1: string
  readonly sha256: string
}

/** The same bytes for the same seed, without a pattern that a shifted copy would fit. */
export function bytesFrom(seed: number, lengthBytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(lengthBytes / 4))
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1
  for (let i = 0; i < words.length; i += 1) {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, lengthBytes)
}

export function digestsOf(bytes: Uint8Array): Digests {
  const digest = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
  return { md5: digest('md5'), sha1: digest('sha1'), sha256: digest('sha256') }
}

/** Names of the files in both rooms of the local store. */
export async function storedFiles(dataDir: string): Promise<{ tmp: string[]; objects: string[] }> {
  const list = (room: string) => readdir(path.join(dataDir, 'store', room))
  return { tmp: await list('tmp'), objects: await list('objects') }
}

/** The size of what the store holds for `id`, in whichever room; undefined when it holds nothing. */
export async function storedSize(dataDir: string, id: string): Promise<number | undefined> {
  for (const room of ['tmp', 'objects']) {
    const found = await stat(path.join(dataDir, 'store', room, id)).catch(() => undefined)
    if (found !== undefined) return found.size
  }
  return undefined
}

/** The report once `isSo` of it. @throws with the last one after PATIENCE_MS */
export async function reportWhen(
  tus: Pick<RawTus, 'report'>,
  id: string,
  isSo: (report: Report) => boolean,
): Promise<Report> {
  const report = await valueWhen(() => tus.report(id), isSo)
  if (!isSo(report)) throw new Error(`Still ${JSON.stringify(report)}`)
  return report
}

/** Asserts that the upload is ready, and that report and retrieved bytes are exactly `source`. @returns the report */
export async function expectWhole(tus: RawTus, id: string, source: Buffer): Promise<Report> {
  const report = await reportWhen(tus, id, ({ state }) => state !== 'receiving' && state !== 'finalizing')
  const checksums = digestsOf(source)
  expect(report).toMatchObject({
    state: 'ready',
    size: source.byteLength,
    offset: source.byteLength,
    checksums,
    file_id: checksums.sha256,
    error: null,
  })
  const retrieved = await get(String(report.retrieval_url))
  expect(retrieved.status).toBe(200)
  expect(retrieved.headers['content-length']).toBe(String(source.byteLength))
  expect(retrieved.body.equals(source)).toBe(true)
  return report
}
