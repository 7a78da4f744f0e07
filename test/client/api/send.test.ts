// Sending to the real server, with the accidents that a network and a server have.

import { createHash } from 'node:crypto'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { blobSource } from '../../../client/api/blob-source.js'
import { bytesSource } from '../../../client/api/bytes-source.js'
import type { Wait } from '../../../client/api/connection.js'
import { Gone, HashMismatch, LocalFileDiffers, NotFound, Unauthorized } from '../../../client/api/errors.js'
import { openFileSource } from '../../../client/api/node/file-source.js'
import { readSmallFile } from '../../../client/api/node/small-file.js'
import { type SendOptions, send } from '../../../client/api/send.js'
import type { CuttingProxy } from '../../end-to-end/cutting-proxy.js'
import { bytesFrom } from '../../end-to-end/evidence.js'
import type { Traffic } from '../end-to-end/traffic.js'
import { startOddServer } from './odd-server.js'
import { type MeteredGround, newMeteredGround } from './send-ground.js'

const KIB = 1024
const MIB = 1024 * KIB
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let ground: MeteredGround
let traffic: Traffic
let proxy: CuttingProxy

beforeAll(async () => {
  ground = await newMeteredGround()
  ;({ traffic, proxy } = ground)
})
afterAll(() => ground.dispose())

/** What any sending here has; `filename` makes its metadata. */
function options(filename: string, more: Partial<SendOptions> = {}): SendOptions {
  return { metadata: { filename }, httpStack: ground.network.httpStack, ...more }
}

const requestsSince = (from: number) => traffic.exchanges.slice(from).map(({ method }) => method)

describe('sending', () => {
  test.each([0, 1, 10 * KIB, MIB, MIB + 1, 5 * MIB + 3])('brings %i bytes of a file, whole', async (size) => {
    const bytes = bytesFrom(size, size)
    const source = await openFileSource(await ground.file(bytes))
    const created: string[] = []
    const sent = await send(
      ground.connection(),
      source,
      options(`${size}.bin`, { onCreated: (url) => void created.push(url) }),
    )
    expect(created).toEqual([sent.url])
    expect(await ground.report(sent.url)).toMatchObject({
      state: 'ready',
      filename: `${size}.bin`,
      size,
      checksums: { sha256: sha256Of(bytes) },
    })
    expect(await source.sha256()).toBe(sha256Of(bytes))
    await source.close()
  })

  test('costs a small file one request', async () => {
    const small = await readSmallFile(await ground.file(bytesFrom(1, 10 * KIB)))
    if (small === null) throw new Error('It is small.')
    const from = traffic.exchanges.length
    const { url } = await send(
      ground.connection(proxy.url),
      small.source,
      options('small', { metadata: { filename: 'small', sha256: small.sha256 } }),
    )
    expect(requestsSince(from)).toEqual(['POST'])
    expect((await ground.report(url)).state).toBe('ready')
  })

  test('takes a Blob, and tus-js-client without our HTTP stack', async () => {
    const bytes = bytesFrom(2, 2 * MIB)
    const blob = new Blob([new Uint8Array(bytes)])
    const { url } = await send(ground.connection(), blobSource(blob), options('blob'))
    expect((await ground.report(url)).checksums?.sha256).toBe(sha256Of(bytes))
    const own = await send(ground.connection(), bytesSource(bytes), { metadata: { filename: 'bytes' } })
    expect((await ground.report(own.url)).checksums?.sha256).toBe(sha256Of(bytes))
  })

  test('tells what was sent and what is acknowledged, in chunks', async () => {
    const bytes = bytesFrom(3, 3 * MIB)
    const told: [number, number][] = []
    const from = traffic.exchanges.length
    await send(
      ground.connection(proxy.url),
      bytesSource(bytes),
      options('chunks', { chunkBytes: MIB, onProgress: (...bytes) => void told.push(bytes) }),
    )
    expect(requestsSince(from)).toEqual(['POST', 'HEAD', 'PATCH', 'PATCH', 'PATCH'])
    expect(told.at(-1)).toEqual([3 * MIB, 3 * MIB])
    for (const [sentBytes, acknowledgedBytes] of told)
      expect(sentBytes).toBeGreaterThanOrEqual(acknowledgedBytes)
    expect(new Set(told.map(([, acknowledged]) => acknowledged))).toEqual(new Set([0, MIB, 2 * MIB, 3 * MIB]))
  })

  test('waits for onCreated before bytes go, and ends with what it throws', async () => {
    const bytes = bytesFrom(4, 2 * MIB)
    const full = new Error('The journal has no room.')
    let url = ''
    const sending = send(
      ground.connection(),
      bytesSource(bytes),
      options('journal', {
        async onCreated(created) {
          url = created
          await sleep(50)
          throw full
        },
      }),
    )
    await expect(sending).rejects.toBe(full)
    expect(await ground.report(url)).toMatchObject({ state: 'receiving', offset: 0 })
  })
})

describe('what breaks on the way', () => {
  test('is gone on with where the server is: nothing acknowledged goes twice', async () => {
    const bytes = bytesFrom(5, 8 * MIB)
    const source = await openFileSource(await ground.file(bytes))
    const waits: Wait[] = []
    const from = traffic.exchanges.length
    const sending = send(
      ground.connection(proxy.url),
      source,
      options('cut', { chunkBytes: MIB, onWait: (wait) => void waits.push(wait) }),
    )
    for (const bytes of [2.5 * MIB, 2 * MIB, 1.7 * MIB]) await Promise.race([proxy.cutAfter(bytes), sending])
    const { url } = await sending
    expect((await ground.report(url)).checksums?.sha256).toBe(sha256Of(bytes))
    expect(await source.sha256()).toBe(sha256Of(bytes))
    expect(waits.length).toBeGreaterThanOrEqual(3)
    const bodies = traffic.exchanges.slice(from)
    expect(bodies.filter(({ method }) => method === 'POST').length).toBe(1)
    const sentBytes = bodies.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
    // Each cut may cost what its PATCH had not been acknowledged of.
    expect(sentBytes).toBeLessThanOrEqual(bytes.byteLength + 3 * MIB)
    await source.close()
  })

  test('an answer lost after the last byte is found by HEAD', async () => {
    const bytes = bytesFrom(6, 2 * MIB)
    let url = ''
    const lossy = await lossyProxy((method, seen) => method === 'PATCH' && seen === 1)
    try {
      const connection = ground.connection(lossy.url)
      const sent = await send(
        connection,
        bytesSource(bytes),
        options('lost', {
          onCreated(created) {
            url = created
          },
        }),
      )
      expect(sent.url).toBe(url)
      expect(lossy.requests).toEqual(['POST', 'HEAD', 'PATCH', 'HEAD'])
      expect((await ground.report(url)).checksums?.sha256).toBe(sha256Of(bytes))
    } finally {
      await lossy.close()
    }
  })

  test('a creation whose answer is lost makes one upload, by its key', async () => {
    const lossy = await lossyProxy((method, seen) => method === 'POST' && seen === 1)
    try {
      for (const [size, expected] of [
        [20 * KIB, ['POST', 'POST']],
        [2 * MIB, ['POST', 'POST', 'HEAD', 'PATCH']],
      ] as const) {
        lossy.forget()
        const label = `key-${size}`
        const sending = options('key', {
          metadata: { filename: 'key', label },
          idempotencyKey: `send-test-${size}`,
        })
        const { url } = await send(ground.connection(lossy.url), bytesSource(bytesFrom(7, size)), sending)
        expect(lossy.requests).toEqual(expected)
        const ours = (await ground.reports()).filter((report) => report.label === label)
        expect(ours.map(({ id, state }) => [id, state])).toEqual([[url.split('/').at(-1), 'ready']])
      }
    } finally {
      await lossy.close()
    }
  })

  test('a server that is killed and comes back goes on from what it kept', async () => {
    const bytes = bytesFrom(8, 12 * MIB)
    let url = ''
    const sending = send(
      ground.connection(),
      bytesSource(bytes),
      options('killed', {
        chunkBytes: 4 * MIB,
        onCreated(created) {
          url = created
        },
      }),
    )
    while (url === '' || (await ground.report(url)).offset === 0) await sleep(5)
    await ground.server.kill()
    await sleep(300)
    await ground.server.restart()
    await sending
    expect((await ground.report(url)).checksums?.sha256).toBe(sha256Of(bytes))
  })

  test('a page in place of an answer is waited out while an upload is under way', async () => {
    const bytes = bytesFrom(9, 2 * MIB)
    let pages = 0
    const portal = await startOddServer((request, response) => {
      if (request.method !== 'POST' && pages < 2) {
        pages += 1
        response
          .writeHead(pages === 1 ? 200 : 404, { 'Content-Type': 'text/html' })
          .end('<html>Sign in</html>')
      } else forward(request, response)
    })
    try {
      const waits: string[] = []
      const { url } = await send(
        ground.connection(portal.url),
        bytesSource(bytes),
        options('portal', { onWait: ({ error }) => void waits.push(error.name) }),
      )
      expect(waits).toEqual(['ForeignAnswer', 'ForeignAnswer'])
      expect((await ground.report(url)).state).toBe('ready')
    } finally {
      await portal.close()
    }
  })

  test('patience ends, with the error', async () => {
    const nobody = ground.connection('http://127.0.0.1:1')
    const waits: Wait[] = []
    const sending = send(
      nobody,
      bytesSource(bytesFrom(1, 10)),
      options('nobody', { patienceSeconds: 1, onWait: (wait) => void waits.push(wait) }),
    )
    await expect(sending).rejects.toMatchObject({ name: 'ConnectionFailed', code: 'ECONNREFUSED' })
    expect(waits.length).toBeGreaterThan(0)
  })
})

describe('what does not pass', () => {
  test('an upload that has ended, or never was, is told and never begun anew', async () => {
    const bytes = bytesFrom(10, 2 * MIB)
    let url = ''
    const controller = new AbortController()
    const begun = send(
      ground.connection(),
      bytesSource(bytes),
      options('gone', {
        signal: controller.signal,
        onCreated(created) {
          url = created
          controller.abort()
        },
      }),
    )
    await expect(begun).rejects.toMatchObject({ name: 'AbortError' })
    const from = traffic.exchanges.length
    const here = `${proxy.url}/uploads/${url.split('/').at(-1)}`
    await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${ground.server.key}` } })
    const again = (uploadUrl: string) =>
      send(ground.connection(proxy.url), bytesSource(bytes), options('gone', { uploadUrl }))
    await expect(again(here)).rejects.toBeInstanceOf(Gone)
    await expect(again(`${proxy.url}/uploads/${'0'.repeat(40)}`)).rejects.toBeInstanceOf(NotFound)
    expect(requestsSince(from)).toEqual(['HEAD', 'HEAD'])
  })

  test('bytes that are not those of the upload are refused before one goes', async () => {
    const begun = await begin(bytesFrom(11, 2 * MIB), MIB)
    const from = traffic.exchanges.length
    const uploadUrl = `${proxy.url}/uploads/${begun.split('/').at(-1)}`
    const longer = send(
      ground.connection(proxy.url),
      bytesSource(bytesFrom(11, 3 * MIB)),
      options('x', { uploadUrl }),
    )
    await expect(longer).rejects.toBeInstanceOf(LocalFileDiffers)
    const changed = bytesFrom(11, 2 * MIB)
    const sha256State = { bytes: MIB, sha256: sha256Of(changed.subarray(0, MIB)) }
    changed[5] = (changed[5] ?? 0) ^ 1
    const source = await openFileSource(await ground.file(changed), { sha256State })
    const other = send(ground.connection(proxy.url), source, options('x', { uploadUrl }))
    await expect(other).rejects.toThrow(/changed since/)
    await source.close()
    expect(requestsSince(from)).toEqual(['HEAD', 'HEAD'])
    expect((await ground.report(begun)).offset).toBe(MIB)
  })

  test('goes on in another process from the journal alone', async () => {
    const bytes = bytesFrom(12, 3 * MIB)
    const uploadUrl = await begin(bytes, MIB + 7)
    const sha256State = { bytes: MIB, sha256: sha256Of(bytes.subarray(0, MIB)) }
    const source = await openFileSource(await ground.file(bytes), { sha256State })
    const told: number[] = []
    await send(
      ground.connection(),
      source,
      options('x', { uploadUrl, onProgress: (sentBytes) => void told.push(sentBytes) }),
    )
    expect(Math.min(...told)).toBeGreaterThanOrEqual(MIB + 7)
    expect(await source.sha256()).toBe(sha256Of(bytes))
    expect((await ground.report(uploadUrl)).checksums?.sha256).toBe(sha256Of(bytes))
    await source.close()
  })

  test('a digest that was declared otherwise', async () => {
    const metadata = { filename: 'x', sha256: '0'.repeat(64) }
    for (const size of [10 * KIB, 2 * MIB]) {
      const sending = send(ground.connection(), bytesSource(bytesFrom(1, size)), options('x', { metadata }))
      await expect(sending).rejects.toBeInstanceOf(HashMismatch)
    }
  })

  test('a credential that is none, and one that goes elsewhere', async () => {
    const { Connection } = await import('../../../client/api/connection.js')
    const connection = new Connection({ url: ground.server.url, credentials: { current: () => 'wrong' } })
    const sending = send(connection, bytesSource(bytesFrom(1, 10)), options('x'))
    await expect(sending).rejects.toBeInstanceOf(Unauthorized)
    const seen: unknown[] = []
    const foreign = await startOddServer((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(403, { 'Tus-Resumable': '1.0.0' }).end('No.')
    })
    const away = send(
      ground.connection(),
      bytesSource(bytesFrom(1, 10)),
      options('x', { endpoint: `${foreign.url}/files` }),
    )
    await expect(away).rejects.toMatchObject({ name: 'Forbidden' })
    expect(seen).toEqual([undefined])
    await foreign.close()
  })

  test('a file that changes while it is sent never arrives whole', async () => {
    const { appendFile } = await import('node:fs/promises')
    const file = await ground.file(bytesFrom(13, 6 * MIB))
    const source = await openFileSource(file)
    let url = ''
    const sending = send(
      ground.connection(),
      source,
      options('grows', {
        chunkBytes: 2 * MIB,
        onCreated(created) {
          url = created
        },
        onProgress(_sent, acknowledged) {
          if (acknowledged === 2 * MIB) void appendFile(file, 'x')
        },
      }),
    )
    await expect(sending).rejects.toBeInstanceOf(LocalFileDiffers)
    await source.close()
    expect((await ground.report(url)).state).toBe('receiving')
  })

  test('the caller who ends it: at once, and everything of it', async () => {
    const controller = new AbortController()
    proxy.delay(20)
    const sending = send(
      ground.connection(proxy.url),
      bytesSource(bytesFrom(14, 30 * MIB)),
      options('ended', {
        signal: controller.signal,
        onProgress: (sentBytes) => sentBytes > MIB && controller.abort(new Error('Enough.')),
      }),
    )
    await expect(sending).rejects.toThrow('Enough.')
    proxy.delay(0)
    const before = traffic.bodyBytes
    await sleep(300)
    expect(traffic.bodyBytes - before).toBeLessThan(6 * MIB)
    const early = send(
      ground.connection(),
      bytesSource(bytesFrom(1, 1)),
      options('x', { signal: controller.signal }),
    )
    await expect(early).rejects.toThrow('Enough.')
  })
})

/** An upload that has the first `sentBytes` of `bytes`; its URL. */
async function begin(bytes: Uint8Array, sentBytes: number): Promise<string> {
  const headers = {
    authorization: `Bearer ${ground.server.key}`,
    'tus-resumable': '1.0.0',
    'content-type': 'application/offset+octet-stream',
    'upload-length': String(bytes.byteLength),
  }
  const body = new Uint8Array(bytes.subarray(0, sentBytes))
  const answer = await fetch(`${ground.server.url}/uploads`, { method: 'POST', headers, body })
  expect([answer.status, answer.headers.get('upload-offset')]).toEqual([201, String(sentBytes)])
  return `${ground.server.url}/uploads/${answer.headers.get('location')?.split('/').at(-1)}`
}

function forward(request: http.IncomingMessage, response: http.ServerResponse, isLost = false): void {
  const onward = http.request(`${ground.server.url}${request.url}`, {
    method: request.method,
    headers: request.headers,
  })
  onward.on('response', (answer) => {
    if (isLost) {
      request.socket.destroy()
      return
    }
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
  })
  onward.on('error', () => response.destroy())
  request.pipe(onward)
}

/** Loses answers; `seen`: how many of that method there were, with this one. */
async function lossyProxy(isLost: (method: string, seen: number) => boolean) {
  const requests: string[] = []
  const lossy = await startOddServer((request, response) => {
    const method = String(request.method)
    requests.push(method)
    forward(request, response, isLost(method, requests.filter((one) => one === method).length))
  })
  return { url: lossy.url, requests, forget: () => void requests.splice(0), close: lossy.close }
}
