// kill -9 of the client, again and again: what arrived isn't sent again, and in the end everything is there once.

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { Antipasto } from '../../../../client/api/antipasto.js'
import { type CuttingProxy, startCuttingProxy } from '../../../end-to-end/cutting-proxy.js'
import { startServer, type TestServer } from '../../../support/server.js'
import { makeHome, runCli, startCli } from '../run.js'

const MIB = 1024 ** 2

let proxy: CuttingProxy
let server: TestServer
let antipasto: Antipasto
let toServerBytes = 0
let home: string
let folder: string

beforeAll(async () => {
  proxy = await startCuttingProxy(() => ({
    toServer(bytes) {
      toServerBytes += bytes.byteLength
    },
    toClient() {},
  }))
  server = await startServer({ env: { PUBLIC_URL: proxy.url, MIN_FREE_BYTES: '1MiB' } })
  proxy.forwardTo(server.url)
  antipasto = new Antipasto({ url: server.url, token: server.key })
})

afterAll(async () => {
  await server.dispose()
  await proxy.close()
})

beforeEach(async () => {
  home = await makeHome()
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-kill-'))
  toServerBytes = 0
})

afterEach(async () => {
  await rm(home, { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
})

const remote = () => ({ url: proxy.url, key: server.key })

/** Starts the push, and kills it when so many more bytes have passed, or when it has ended. */
async function killAfter(bytes: number, args: string[]): Promise<void> {
  const end = toServerBytes + bytes
  const running = startCli(args, { server: remote(), home, cwd: folder })
  let hasEnded = false
  void running.ended.then(() => {
    hasEnded = true
  })
  while (!hasEnded && toServerBytes < end) await sleep(5)
  running.kill('SIGKILL')
  await running.ended
}

async function offsetOf(label: string): Promise<number> {
  for await (const { offset } of antipasto.uploads.list({ label })) return offset
  return 0
}

test('a large file arrives once, and of it only what was not acknowledged goes twice', async () => {
  const bytes = randomBytes(48 * MIB)
  await writeFile(path.join(folder, 'large'), bytes)
  const args = ['push', 'large', '--label', 'large', '--chunk', '4MiB']
  let lostBytes = 0
  for (let kill = 0; kill < 3; kill += 1) {
    const before = { sent: toServerBytes, offset: await offsetOf('large') }
    await killAfter(2 * MIB + Math.floor(Math.random() * 5 * MIB), args)
    // What the server has read is kept; the rest was in the sockets.
    await sleep(300)
    lostBytes += toServerBytes - before.sent - ((await offsetOf('large')) - before.offset)
  }
  expect(await offsetOf('large')).toBeGreaterThan(3 * MIB)
  const { exitCode } = await runCli(args, { server: remote(), home, cwd: folder })
  expect(exitCode).toBe(0)
  const reports = []
  for await (const report of antipasto.uploads.list({ label: 'large' })) reports.push(report)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  expect(reports).toMatchObject([{ state: 'ready', size: bytes.byteLength, checksums: { sha256 } }])
  // 64 KiB for the heads of all requests.
  expect(toServerBytes).toBeLessThanOrEqual(bytes.byteLength + lostBytes + 64 * 1024)
  expect(lostBytes).toBeLessThan(3 * 6 * MIB)
  // Each start after a kill waits five seconds for the dead one's lock.
})

test('three hundred small files arrive once each, though the client dies five times', async () => {
  await mkdir(path.join(folder, 'data'))
  for (let at = 0; at < 300; at += 1) {
    await writeFile(path.join(folder, 'data', `${at}.dat`), randomBytes(10 * 1024))
  }
  const args = ['push', 'data', '--label', 'small']
  for (let kill = 0; kill < 5; kill += 1) await killAfter(Math.floor(Math.random() * 600 * 1024), args)
  const { exitCode, stdout } = await runCli([...args, '--finalize'], { server: remote(), home, cwd: folder })
  expect(stdout).toContain('is finalized')
  expect(exitCode).toBe(0)
  const paths = []
  for await (const report of antipasto.uploads.list({ label: 'small' })) {
    expect(report.state).toBe('ready')
    paths.push(report.relative_path)
  }
  expect(paths.sort()).toEqual(Array.from({ length: 300 }, (_, at) => `data/${at}.dat`).sort())
  // At most what the twelve lanes had under way went twice at each kill, and its heads.
  expect(toServerBytes).toBeLessThan(300 * 11 * 1024 + 5 * 12 * 12 * 1024 + 300 * 1024)
})
