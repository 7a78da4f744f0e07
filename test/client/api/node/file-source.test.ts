import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFile, mkdtemp, open, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { LocalFileDiffers, LocalFileFailed } from '../../../../client/api/errors.js'
import { type FileSource, openFileSource } from '../../../../client/api/node/file-source.js'
import type { Sha256State } from '../../../../client/api/node/prefix-digest.js'
import { readSmallFile } from '../../../../client/api/node/small-file.js'
import { bytesFrom } from '../../../end-to-end/evidence.js'
import fc from '../../../support/properties.js'

const MIB = 1024 * 1024
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let folder: string
let files = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-source-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(bytes: Uint8Array): Promise<string> {
  files += 1
  const file = path.join(folder, `file-${files}`)
  await writeFile(file, bytes)
  return file
}

async function readAll(source: FileSource, start = 0, end = source.sizeBytes): Promise<Buffer> {
  await source.prepareFrom?.(start)
  const blocks: Uint8Array[] = []
  const { value } = await source.slice(start, end)
  for await (const block of value as AsyncIterable<Uint8Array>) blocks.push(Buffer.from(block))
  return Buffer.concat(blocks)
}

describe('a file as what is sent', () => {
  test('gives its bytes, their size, and their digest', async () => {
    const bytes = bytesFrom(1, 3 * MIB + 17)
    const source = await openFileSource(await fileOf(bytes))
    expect(source.sizeBytes).toBe(bytes.byteLength)
    expect((await source.slice(0, 5)).done).toBe(false)
    expect(await source.slice(5, bytes.byteLength)).toMatchObject({
      done: true,
      value: { size: bytes.byteLength - 5 },
    })
    expect((await readAll(source)).equals(bytes)).toBe(true)
    expect(await source.sha256()).toBe(sha256Of(bytes))
    await source.close()
  })

  test('of nothing has the digest of nothing', async () => {
    const source = await openFileSource(await fileOf(new Uint8Array()))
    expect((await readAll(source)).byteLength).toBe(0)
    expect(await source.sha256()).toBe(sha256Of(new Uint8Array()))
    await source.close()
  })

  test('has the digest of all its bytes, however often and in whatever order they are asked for', async () => {
    const bytes = bytesFrom(2, 2 * MIB + 5)
    const file = await fileOf(bytes)
    const range = fc
      .tuple(fc.nat(bytes.byteLength), fc.nat(bytes.byteLength))
      .map((ends) => ends.toSorted((a, b) => a - b))
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 5 }), fc.boolean(), async (ranges, isInOrder) => {
        const source = await openFileSource(file)
        try {
          for (const [start = 0, end = 0] of ranges) {
            if (isInOrder) await source.prepareFrom?.(start)
            const blocks: Uint8Array[] = []
            const { value } = await source.slice(start, end)
            for await (const block of value as AsyncIterable<Uint8Array>) blocks.push(Buffer.from(block))
            expect(Buffer.concat(blocks).equals(bytes.subarray(start, end))).toBe(true)
          }
          expect(await source.sha256()).toBe(sha256Of(bytes))
        } finally {
          await source.close()
        }
      }),
      { numRuns: 60 },
    )
  })

  test('tells states by which a later process knows the prefix again', async () => {
    const bytes = bytesFrom(3, 130 * MIB)
    const file = await fileOf(bytes)
    const states: Sha256State[] = []
    const source = await openFileSource(file, { onState: (state) => states.push(state) })
    const { value } = await source.slice(0, bytes.byteLength)
    let readBytes = 0
    for await (const block of value as AsyncIterable<Uint8Array>) {
      readBytes += block.byteLength
      if (readBytes >= 129 * MIB) break
    }
    await source.close()
    const byTime = states.map(({ bytes }) => bytes)
    expect(byTime).toEqual(byTime.toSorted((a, b) => a - b))
    expect(byTime).toContain(64 * MIB)
    expect(byTime.at(-1)).toBeGreaterThanOrEqual(129 * MIB)
    for (const state of states) expect(state.sha256).toBe(sha256Of(bytes.subarray(0, state.bytes)))

    const checked: number[] = []
    const sha256State = states.at(-1) ?? null
    const again = await openFileSource(file, { sha256State, onCheck: (bytes) => checked.push(bytes) })
    expect((await readAll(again, 129 * MIB)).equals(bytes.subarray(129 * MIB))).toBe(true)
    expect(checked.at(-1)).toBe(129 * MIB)
    expect(await again.sha256()).toBe(sha256Of(bytes))
    await again.close()
  })

  test('that began otherwise before is refused, with the state before or behind the offset', async () => {
    const bytes = bytesFrom(4, 4 * MIB)
    const sha256State = { bytes: 2 * MIB, sha256: sha256Of(bytes.subarray(0, 2 * MIB)) }
    const changed = Buffer.from(bytes)
    changed[MIB + 1] = (changed[MIB + 1] ?? 0) ^ 1
    const file = await fileOf(changed)
    for (const offset of [2 * MIB, 3 * MIB, MIB, 0]) {
      const source = await openFileSource(file, { sha256State })
      await expect(readAll(source, offset)).rejects.toThrow(LocalFileDiffers)
      await source.close()
    }
    await truncate(file, MIB)
    await expect(openFileSource(file, { sha256State })).rejects.toThrow(LocalFileDiffers)
  })

  test('stops checking what was sent before when it is told to', async () => {
    const source = await openFileSource(await fileOf(bytesFrom(5, 8 * MIB)))
    const controller = new AbortController()
    controller.abort(new Error('Enough.'))
    await expect(source.prepareFrom?.(8 * MIB, controller.signal)).rejects.toThrow('Enough.')
    await source.close()
  })
})

test('a block holds its bytes until the block after the next is asked for', async () => {
  const bytes = bytesFrom(10, 12 * MIB + 9)
  const source = await openFileSource(await fileOf(bytes))
  const { value } = await source.slice(0, bytes.byteLength)
  let before: Uint8Array | null = null
  let atBytes = 0
  for await (const block of value as AsyncIterable<Uint8Array>) {
    // Reads that were begun for this one have had time to do harm.
    await sleep(5)
    if (before !== null)
      expect(bytes.subarray(atBytes - before.byteLength, atBytes).equals(before)).toBe(true)
    expect(bytes.subarray(atBytes, atBytes + block.byteLength).equals(block)).toBe(true)
    atBytes += block.byteLength
    before = block
  }
  expect(atBytes).toBe(bytes.byteLength)
  await source.close()
})

describe('a file that changes while it is sent', () => {
  const size = 3 * MIB

  async function readWhile(
    change: (file: string) => Promise<unknown>,
  ): Promise<{ blocks: number; error: unknown }> {
    const file = await fileOf(bytesFrom(6, size))
    const source = await openFileSource(file)
    const { value } = await source.slice(0, source.sizeBytes)
    let blocks = 0
    try {
      for await (const _block of value as AsyncIterable<Uint8Array>) {
        blocks += 1
        if (blocks === 1) await change(file)
      }
      return { blocks, error: null }
    } catch (error) {
      return { blocks, error }
    } finally {
      await source.close()
    }
  }

  async function overwrite(file: string): Promise<void> {
    const handle = await open(file, 'r+')
    await handle.write(Buffer.from('other'), 0, 5, 2 * MIB)
    await handle.close()
  }

  test.each([
    ['grows', (file: string) => appendFile(file, 'more'), /grew/],
    ['shrinks', (file: string) => truncate(file, 2 * MIB + 1), /shorter|changed/],
    ['is written to', overwrite, /changed/],
    ['is touched', (file: string) => utimes(file, 1, 1), /changed/],
  ])('and %s never gives its last bytes', async (_how, change, words) => {
    const { blocks, error } = await readWhile(change)
    expect(error).toBeInstanceOf(LocalFileDiffers)
    expect(String(error)).toMatch(words)
    expect(blocks).toBeLessThan(3)
  })

  test('is read to its end as it was, when another takes its name', async () => {
    const { error } = await readWhile(async (file) => {
      await writeFile(`${file}.new`, 'another')
      await rename(`${file}.new`, file)
    })
    expect(error).toBeNull()
  })
})

describe('what is no readable file', () => {
  test('is said at once', async () => {
    const fifo = path.join(folder, 'fifo')
    await promisify(execFile)('mkfifo', [fifo])
    const [gone, file] = [path.join(folder, 'gone'), await fileOf(Buffer.from('x'))]
    await expect(openFileSource(fifo)).rejects.toThrow(/is not a file/)
    await expect(openFileSource(folder)).rejects.toThrow(/is not a file/)
    await expect(openFileSource(gone)).rejects.toMatchObject({ name: 'LocalFileFailed', code: 'ENOENT' })
    await expect(openFileSource(path.join(file, 'below'))).rejects.toThrow(LocalFileFailed)
  })

  const onLinux = process.platform === 'linux' ? test : test.skip
  onLinux('and a fault of the disk has its code', async () => {
    // Linux answers EIO to whoever reads a process's memory where there is none.
    const source = await openFileSource('/proc/self/mem')
    Object.assign(source, { sizeBytes: 10 })
    const { value } = await source.slice(0, 10)
    const read = async () => {
      for await (const _block of value as AsyncIterable<Uint8Array>) break
    }
    await expect(read()).rejects.toMatchObject({ name: 'LocalFileFailed', code: 'EIO' })
    await source.close()
  })
})

describe('a small file', () => {
  test('is read once, with its digest', async () => {
    const bytes = bytesFrom(7, 10_240)
    const small = await readSmallFile(await fileOf(bytes))
    expect(small?.sha256).toBe(sha256Of(bytes))
    expect(await small?.source.sha256?.()).toBe(sha256Of(bytes))
    expect(small?.facts.sizeBytes).toBe(10_240)
    const slice = await small?.source.slice(10, 10_240)
    expect(slice?.done).toBe(true)
    expect(Buffer.from(slice?.value as Uint8Array).equals(bytes.subarray(10))).toBe(true)
    expect(slice?.value).toHaveProperty('size', 10_230)
  })

  test('may be empty, and is not a large one', async () => {
    expect((await readSmallFile(await fileOf(new Uint8Array())))?.source.sizeBytes).toBe(0)
    expect((await readSmallFile(await fileOf(bytesFrom(8, 128 * 1024))))?.source.sizeBytes).toBe(128 * 1024)
    expect(await readSmallFile(await fileOf(bytesFrom(9, 128 * 1024 + 1)))).toBeNull()
    expect(await readSmallFile(await fileOf(bytesFrom(9, 11)), 10)).toBeNull()
  })
})
