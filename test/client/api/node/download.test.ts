// A file of the server's to a path: what is there already, what breaks on the way, and what must not be touched.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../../client/api/antipasto.js'
import type { Wait } from '../../../../client/api/connection.js'
import { downloadToPath, downloadUrlToPath } from '../../../../client/api/node/download.js'
import type { StoredFile } from '../../../../client/api/types.js'
import { type CuttingProxy, startCuttingProxy } from '../../../end-to-end/cutting-proxy.js'
import { createTestBucket, describeS3, type TestBucket } from '../../../support/s3.js'
import { startServer, type TestServer } from '../../../support/server.js'
import { type OddServer, startOddServer } from '../odd-server.js'

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const BYTES = Uint8Array.from(randomBytes(3_000_000))
const SHA256 = sha256Of(BYTES)

let server: TestServer
let antipasto: Antipasto
let file: StoredFile
let folder: string
let target: string

beforeAll(async () => {
  server = await startServer()
  antipasto = new Antipasto({ url: server.url, token: server.key })
  file = await antipasto.files.create(BYTES, { filename: 'tile.tif', sha256: SHA256 })
})

afterAll(() => server.dispose())

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-download-'))
  target = path.join(folder, 'tile.tif')
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const part = () => `${target}.part`

describe('a download', () => {
  test('arrives whole, tells how far it is, and leaves no part behind', async () => {
    const progress: [number, number][] = []
    const onProgress = (bytes: number, total: number) => progress.push([bytes, total])
    expect(await downloadToPath(antipasto, file.upload_id, target, { onProgress })).toEqual({
      outcome: 'fetched',
      sizeBytes: BYTES.byteLength,
      sha256: SHA256,
      fetchedBytes: BYTES.byteLength,
    })
    expect(sha256Of(await readFile(target))).toBe(SHA256)
    expect(await readdir(folder)).toEqual(['tile.tif'])
    expect(progress[0]).toEqual([0, BYTES.byteLength])
    expect(progress.at(-1)).toEqual([BYTES.byteLength, BYTES.byteLength])
    expect(progress).toEqual([...progress].sort(([a], [b]) => a - b))
  })

  test('of an empty file is an empty file', async () => {
    const empty = await antipasto.files.create(new Uint8Array(0), { filename: 'empty.csv' })
    expect(await downloadToPath(antipasto, empty.upload_id, target)).toMatchObject({
      sizeBytes: 0,
      fetchedBytes: 0,
    })
    expect((await stat(target)).size).toBe(0)
  })

  test('by its URL alone knows length and digest from there', async () => {
    const source = { url: String(file.retrieval_url) }
    expect(await downloadUrlToPath(antipasto.connection, source, target)).toMatchObject({
      outcome: 'fetched',
      sha256: SHA256,
    })
    expect(sha256Of(await readFile(target))).toBe(SHA256)
  })

  test('of what is not ready, or has ended, says so', async () => {
    const { id } = await antipasto.uploads.open({ filename: 'a', size: 9 })
    await expect(downloadToPath(antipasto, id, target)).rejects.toMatchObject({
      name: 'Conflict',
      message: expect.stringContaining('it is receiving'),
    })
    await antipasto.uploads.remove(id)
    await expect(downloadToPath(antipasto, id, target)).rejects.toMatchObject({ name: 'Gone' })
    expect(await readdir(folder)).toEqual([])
  })

  test('into a folder that is not there names it', async () => {
    const missing = path.join(folder, 'none', 'x')
    await expect(downloadToPath(antipasto, file.upload_id, missing)).rejects.toMatchObject({
      name: 'LocalFileFailed',
      code: 'ENOENT',
      message: expect.stringContaining(missing),
    })
  })

  test('of what arrives as something else keeps nothing', async () => {
    const source = { url: String(file.retrieval_url), sizeBytes: BYTES.byteLength, sha256: 'a'.repeat(64) }
    const odd = await serve((_, response) =>
      response.writeHead(200, { 'content-length': BYTES.byteLength }).end(BYTES),
    )
    await expect(
      downloadUrlToPath(antipasto.connection, { ...source, url: odd.url }, target),
    ).rejects.toMatchObject({ name: 'DigestMismatch' })
    expect(await readdir(folder)).toEqual([])
  })
})

describe('what is there already', () => {
  test('is kept when it is the same, without a byte fetched', async () => {
    await writeFile(target, BYTES)
    const before = await stat(target)
    const checked: number[] = []
    const onCheck = (bytes: number) => checked.push(bytes)
    expect(await downloadToPath(antipasto, file.upload_id, target, { onCheck })).toMatchObject({
      outcome: 'kept',
      fetchedBytes: 0,
    })
    expect((await stat(target)).mtimeMs).toBe(before.mtimeMs)
    expect(checked.at(-1)).toBe(BYTES.byteLength)
  })

  test.each([['part'], ['file']])('as the beginning in the %s is not fetched again', async (where) => {
    const begun = 1_234_567
    await writeFile(where === 'part' ? part() : target, BYTES.subarray(0, begun))
    const progress: number[] = []
    const onProgress = (bytes: number) => progress.push(bytes)
    expect(await downloadToPath(antipasto, file.upload_id, target, { onProgress })).toMatchObject({
      outcome: 'fetched',
      fetchedBytes: BYTES.byteLength - begun,
    })
    expect(progress[0]).toBe(begun)
    expect(sha256Of(await readFile(target))).toBe(SHA256)
    expect(await readdir(folder)).toEqual(['tile.tif'])
  })

  test('as a whole part needs no request at all', async () => {
    await writeFile(part(), BYTES)
    const source = { url: 'http://127.0.0.1:1/r/x', sizeBytes: BYTES.byteLength, sha256: SHA256 }
    expect(await downloadUrlToPath(antipasto.connection, source, target)).toMatchObject({ fetchedBytes: 0 })
    expect(sha256Of(await readFile(target))).toBe(SHA256)
  })

  test('is dropped without resume', async () => {
    await writeFile(part(), 'anything')
    expect(await downloadToPath(antipasto, file.upload_id, target, { resume: false })).toMatchObject({
      fetchedBytes: BYTES.byteLength,
    })
  })

  test.each([
    ['is longer', Buffer.concat([BYTES, Buffer.from('!')]), `has ${BYTES.byteLength + 1} bytes instead of`],
    ['differs', Uint8Array.from(BYTES, (byte) => byte ^ 1), 'the same length and another SHA-256'],
  ])('and %s is refused, and stays as it is', async (_, bytes, words) => {
    await writeFile(target, bytes)
    await expect(downloadToPath(antipasto, file.upload_id, target)).rejects.toMatchObject({
      name: 'LocalFileDiffers',
      message: expect.stringContaining(words),
    })
    expect(sha256Of(await readFile(target))).toBe(sha256Of(bytes))
    expect(await downloadToPath(antipasto, file.upload_id, target, { replace: true })).toMatchObject({
      outcome: 'fetched',
    })
    expect(sha256Of(await readFile(target))).toBe(SHA256)
  })

  test.each([['part'], ['file']])(
    'as the beginning of another file in the %s is found out at the end',
    async (where) => {
      const beginning = where === 'part' ? part() : target
      await writeFile(beginning, 'something else')
      await expect(downloadToPath(antipasto, file.upload_id, target)).rejects.toMatchObject({
        name: 'LocalFileDiffers',
        message: expect.stringContaining('The 14 bytes that were at'),
      })
      // A part is ours to remove; a file isn't.
      expect(await readdir(folder)).toEqual(where === 'part' ? [] : ['tile.tif'])
      await writeFile(beginning, 'something else')
      await downloadToPath(antipasto, file.upload_id, target, { replace: true })
      expect(sha256Of(await readFile(target))).toBe(SHA256)
    },
  )

  test('as a part that is too long is refused, or replaced', async () => {
    await writeFile(part(), BYTES)
    await truncate(part(), BYTES.byteLength + 5)
    await expect(downloadToPath(antipasto, file.upload_id, target)).rejects.toMatchObject({
      name: 'LocalFileDiffers',
    })
    await downloadToPath(antipasto, file.upload_id, target, { replace: true })
    expect(sha256Of(await readFile(target))).toBe(SHA256)
  })

  test('as a beginning and a part at once is nothing to guess about', async () => {
    await writeFile(target, 'notes of my own')
    await writeFile(part(), BYTES.subarray(0, 100))
    await expect(downloadToPath(antipasto, file.upload_id, target)).rejects.toMatchObject({
      name: 'LocalFileDiffers',
    })
    expect(await readFile(target, 'utf8')).toBe('notes of my own')
  })

  test('is no way out of the folder: neither links nor anything else that is no plain file', async () => {
    const elsewhere = path.join(folder, 'elsewhere')
    await writeFile(elsewhere, 'precious')
    for (const place of [target, part()]) {
      for (const make of [
        () => symlink(elsewhere, place),
        () => symlink(path.join(folder, 'not there'), place),
        () => mkdir(place),
        async () => execFileSync('mkfifo', [place]),
      ]) {
        await make()
        const download = downloadToPath(antipasto, file.upload_id, target, { replace: true })
        await expect(download).rejects.toMatchObject({ name: 'LocalFileDiffers' })
        await rm(place, { recursive: true })
      }
    }
    expect(await readFile(elsewhere, 'utf8')).toBe('precious')
    expect(await readdir(folder)).toEqual(['elsewhere'])
  })
})

describe('a network that breaks', () => {
  let proxy: CuttingProxy

  beforeEach(async () => {
    proxy = await startCuttingProxy()
    proxy.forwardTo(server.url)
  })
  afterEach(() => proxy.close())

  /** The retrieval URL, through the proxy. */
  const source = () => ({
    url: `${proxy.url}${new URL(String(file.retrieval_url)).pathname}`,
    sizeBytes: BYTES.byteLength,
    sha256: SHA256,
  })

  test('ten times at any place costs no byte that had arrived', async () => {
    let requestedBytes = 0
    const counting: typeof globalThis.fetch = async (input, init) => {
      const range = new Headers(init?.headers).get('range')
      requestedBytes += BYTES.byteLength - Number(/\d+/.exec(range ?? '0')?.[0])
      return fetch(input, init)
    }
    const client = new Antipasto({ url: server.url, token: server.key, fetch: counting })
    const cutAt = Array.from(
      { length: 10 },
      () => 1 + Math.floor(Math.random() * (BYTES.byteLength - 2)),
    ).sort((a, b) => a - b)
    const arrivedAtCuts: number[] = []
    const waits: Wait[] = []
    const result = await downloadUrlToPath(client.connection, source(), target, {
      onWait: (wait) => waits.push(wait),
      onProgress(bytes) {
        if (bytes < (cutAt[0] ?? Number.POSITIVE_INFINITY)) return
        while (cutAt[0] !== undefined && cutAt[0] <= bytes) cutAt.shift()
        arrivedAtCuts.push(bytes)
        proxy.cut()
      },
    })
    expect(result.fetchedBytes).toBe(BYTES.byteLength)
    expect(sha256Of(await readFile(target))).toBe(SHA256)
    expect(waits.length).toBeGreaterThan(0)
    // Every request asked for what was missing then, and for nothing before.
    expect(requestedBytes).toBeLessThanOrEqual(
      arrivedAtCuts.reduce((sum, arrived) => sum + BYTES.byteLength - arrived, BYTES.byteLength),
    )
  })

  test('by going silent is left for another connection', async () => {
    const odd = await serve((request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0])
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': BYTES.byteLength - start,
        ...(start === 0
          ? {}
          : { 'content-range': `bytes ${start}-${BYTES.byteLength - 1}/${BYTES.byteLength}` }),
      })
      if (odd.requests.length < 3) response.write(BYTES.subarray(start, start + 1_000_000))
      else response.end(BYTES.subarray(start))
    })
    const waits: Wait[] = []
    await downloadUrlToPath(antipasto.connection, { ...source(), url: `${odd.url}/r/x` }, target, {
      stallSeconds: 0.3,
      onWait: (wait) => waits.push(wait),
    })
    expect(sha256Of(await readFile(target))).toBe(SHA256)
    expect(waits.map(({ error }) => error.message)).toEqual(
      Array(2).fill(`${new URL(odd.url).host} has sent nothing for 0.3 seconds.`),
    )
  })

  test('for longer than there is patience for leaves the part, to be gone on with', async () => {
    const onProgress = (bytes: number) => {
      if (bytes > 0) proxy.forwardTo('http://127.0.0.1:1')
      if (bytes > 0) proxy.cut()
    }
    const options = { onProgress, patienceSeconds: 0.5 }
    await expect(downloadUrlToPath(antipasto.connection, source(), target, options)).rejects.toMatchObject({
      name: 'ConnectionFailed',
    })
    const { size } = await stat(part())
    expect(size).toBeGreaterThan(0)
    expect(await readdir(folder)).toEqual(['tile.tif.part'])
    expect((await downloadToPath(antipasto, file.upload_id, target)).fetchedBytes).toBe(
      BYTES.byteLength - size,
    )
    expect(sha256Of(await readFile(target))).toBe(SHA256)
  })

  test('ends at once when the caller does, and leaves the part', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const onProgress = (bytes: number) => {
      if (bytes > 0) controller.abort(new Error('enough'))
    }
    await expect(
      downloadUrlToPath(antipasto.connection, source(), target, { signal, onProgress }),
    ).rejects.toThrow('enough')
    expect(await readdir(folder)).toEqual(['tile.tif.part'])
  })
})

describe('a server that answers otherwise', () => {
  const known = { sizeBytes: BYTES.byteLength, sha256: SHA256 }

  test('with a file that was replaced meanwhile is not mixed with what is there', async () => {
    const odd = await serve((request, response) => {
      expect(request.headers['if-range']).toBe(`"${SHA256}"`)
      response.writeHead(200, { etag: `"${'b'.repeat(64)}"`, 'content-length': BYTES.byteLength }).end(BYTES)
    })
    await writeFile(part(), BYTES.subarray(0, 1000))
    await expect(
      downloadUrlToPath(antipasto.connection, { ...known, url: `${odd.url}/r/x` }, target),
    ).rejects.toMatchObject({
      name: 'LocalFileDiffers',
      message: expect.stringContaining('another file now'),
    })
    expect((await stat(part())).size).toBe(1000)
  })

  test('with all of it where a range was asked for is taken from where we are', async () => {
    const odd = await serve((_, response) =>
      response.writeHead(200, { 'content-length': BYTES.byteLength }).end(BYTES),
    )
    await writeFile(part(), BYTES.subarray(0, 1_000_000))
    await downloadUrlToPath(antipasto.connection, { ...known, url: `${odd.url}/r/x` }, target)
    expect(sha256Of(await readFile(target))).toBe(SHA256)
  })

  test('with another range is not believed', async () => {
    const odd = await serve((_, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-9/${BYTES.byteLength}`, 'content-length': 10 })
      response.end(BYTES.subarray(0, 10))
    })
    await writeFile(part(), BYTES.subarray(0, 1000))
    const options = { patienceSeconds: 0 }
    await expect(
      downloadUrlToPath(antipasto.connection, { ...known, url: `${odd.url}/r/x` }, target, options),
    ).rejects.toMatchObject({ name: 'ForeignAnswer' })
    expect((await stat(part())).size).toBe(1000)
  })

  test('with a portal page is waited out, and the page is never a file', async () => {
    const odd = await serve((_, response) => {
      if (odd.requests.length === 1) response.writeHead(302, { location: '/portal' }).end()
      else if (odd.requests.length < 4)
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>')
      else response.writeHead(200, { 'content-length': BYTES.byteLength }).end(BYTES)
    })
    const waits: string[] = []
    const onWait = ({ error }: Wait) => waits.push(error.name)
    await downloadUrlToPath(antipasto.connection, { ...known, url: `${odd.url}/r/x` }, target, { onWait })
    expect(waits).toEqual(['ForeignAnswer', 'ForeignAnswer'])
    expect(sha256Of(await readFile(target))).toBe(SHA256)
    await expect(
      downloadUrlToPath(antipasto.connection, { url: `${odd.url}/r/x` }, `${target}2`),
    ).rejects.toMatchObject({
      name: 'ForeignAnswer',
      message: expect.stringContaining('is no file of an antipasto'),
    })
  })

  test('with the end of it is told at once', async () => {
    const { upload_id, retrieval_url } = await antipasto.files.create(BYTES.slice(5), { filename: 'x' })
    await antipasto.uploads.remove(upload_id)
    await expect(
      downloadUrlToPath(antipasto.connection, { ...known, url: String(retrieval_url) }, target),
    ).rejects.toMatchObject({ name: 'Gone' })
  })
})

describe('a disk that is full', () => {
  const isRoot = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
  const testAsRoot = isRoot ? test : test.skip

  testAsRoot(
    `is said in one line, and gone on with when there is room${isRoot ? '' : ' (needs root)'}`,
    async () => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
      try {
        await expect(downloadToPath(antipasto, file.upload_id, target)).rejects.toMatchObject({
          name: 'LocalFileFailed',
          code: 'ENOSPC',
          message: `The disk of ${part()} is full. Make room and run this again: it goes on where it was.`,
        })
        const { size } = await stat(part())
        expect(size).toBeGreaterThan(900_000)
        execFileSync('mount', ['-o', 'remount,size=8m', folder])
        expect((await downloadToPath(antipasto, file.upload_id, target)).fetchedBytes).toBe(
          BYTES.byteLength - size,
        )
        expect(sha256Of(await readFile(target))).toBe(SHA256)
      } finally {
        execFileSync('umount', [folder])
      }
    },
  )
})

describe('a large file', () => {
  test('is never in memory', async () => {
    const sizeBytes = 1024 ** 3
    const block = Buffer.alloc(1024 * 1024, 7)
    const hash = createHash('sha256')
    for (let at = 0; at < sizeBytes; at += block.byteLength) hash.update(block)
    const odd = await serve(async (_, response) => {
      response.writeHead(200, { 'content-length': sizeBytes })
      for (let at = 0; at < sizeBytes && !response.destroyed; at += block.byteLength) {
        if (!response.write(block)) await new Promise((resolve) => response.once('drain', resolve))
      }
      response.end()
    })
    const before = process.memoryUsage().rss
    let most = before
    await downloadUrlToPath(
      antipasto.connection,
      { url: `${odd.url}/r/x`, sizeBytes, sha256: hash.digest('hex') },
      target,
      {
        onProgress: () => {
          most = Math.max(most, process.memoryUsage.rss())
        },
      },
    )
    expect((await stat(target)).size).toBe(sizeBytes)
    expect(most - before).toBeLessThan(150 * 1024 * 1024)
  })
})

describeS3('with RETRIEVAL_MODE=redirect', () => {
  let bucket: TestBucket
  let s3Server: TestServer

  beforeAll(async () => {
    bucket = await createTestBucket()
    s3Server = await startServer({ env: { ...bucket.env(), RETRIEVAL_MODE: 'redirect' } })
  })

  afterAll(async () => {
    await s3Server.dispose()
    await bucket.drop()
  })

  test('the store is followed to, whole and for the remainder', async () => {
    const client = new Antipasto({ url: s3Server.url, token: s3Server.key })
    const stored = await client.files.create(BYTES, { filename: 'tile.tif' })
    expect(await downloadToPath(client, stored.upload_id, target)).toMatchObject({
      fetchedBytes: BYTES.byteLength,
    })
    await rm(target)
    await writeFile(part(), BYTES.subarray(0, 2_000_000))
    expect(await downloadToPath(client, stored.upload_id, target)).toMatchObject({ fetchedBytes: 1_000_000 })
    expect(sha256Of(await readFile(target))).toBe(SHA256)
  })
})

const odds: OddServer[] = []

async function serve(listener: RequestListener): Promise<OddServer> {
  const odd = await startOddServer(listener)
  odds.push(odd)
  return odd
}

afterEach(async () => {
  await Promise.all(odds.splice(0).map((odd) => odd.close()))
})
