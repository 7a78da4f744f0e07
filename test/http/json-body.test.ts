import net from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { jsonBody } from '../../server/http/json-body.js'
import { type Answer, ask, askRaw } from '../dialects/exchange.js'
import { type Guarded, serveGuarded } from '../guards/app.js'

let served: Guarded

beforeAll(async () => {
  served = await serveGuarded((app) => {
    app.post('/large', jsonBody({ limit: '256kb' }), (request, response) => {
      response.json({ keys: Object.keys(request.body), isPolluted: 'polluted' in {} })
    })
    app.post('/small', jsonBody({ limit: '1kb', seconds: 1 }), (request, response) => {
      response.json({ body: request.body ?? 'none' })
    })
    app.post(
      '/patch',
      jsonBody({ limit: '1kb', type: 'application/merge-patch+json' }),
      (request, response) => {
        response.json({ body: request.body ?? 'none' })
      },
    )
  })
})
afterAll(() => served.close())

const JSON_TYPE = { 'content-type': 'application/json' }

const send = (path: string, body: string | Buffer, headers: Record<string, string> = JSON_TYPE) =>
  ask(served.origin, { method: 'POST', path, headers, body: Buffer.from(body) })

const head = (length: string) =>
  `POST /small HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${length}\r\n\r\n`

const problemOf = ({ status, body }: Answer) => ({ status, code: JSON.parse(body.toString()).code })

describe('What is read', () => {
  test('is an object or an array of the type, and nothing is the body of another', async () => {
    expect(JSON.parse((await send('/small', '{"a":[1]}')).body.toString())).toEqual({ body: { a: [1] } })
    expect(problemOf(await send('/small', '"text"'))).toEqual({ status: 400, code: 'INVALID_INPUT' })
    expect(problemOf(await send('/small', '{"a":'))).toEqual({ status: 400, code: 'INVALID_INPUT' })
    const text = await send('/small', '{"a":1}', { 'content-type': 'text/plain' })
    expect(JSON.parse(text.body.toString())).toEqual({ body: 'none' })
    const patch = await send('/patch', '{"a":1}', { 'content-type': 'application/merge-patch+json' })
    expect(JSON.parse(patch.body.toString())).toEqual({ body: { a: 1 } })
    expect(JSON.parse((await send('/patch', '{"a":1}')).body.toString())).toEqual({ body: 'none' })
  })

  test.each([
    ['100,000 arrays in each other', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['40,000 objects in each other', `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`],
    ['100,000 arrays that never end', '['.repeat(100_000)],
    ['a number of 200,000 digits', `[1${'0'.repeat(200_000)}]`],
    ['200,000 escapes', `["${'\\\\'.repeat(100_000)}"]`],
    ['10,000 times the same member', `{${'"a":1,'.repeat(10_000)}"b":1}`],
  ])('costs little, whatever it is: %s', async (_, body) => {
    const startedAt = performance.now()
    expect([200, 400]).toContain((await send('/large', body)).status)
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  test('makes no object into another: __proto__ and constructor are members', async () => {
    const body = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'
    expect(JSON.parse((await send('/large', body)).body.toString())).toEqual({
      keys: ['__proto__', 'constructor'],
      isPolluted: false,
    })
  })
})

describe('Too much', () => {
  test('that is announced is refused before it comes', async () => {
    const [answer] = await askRaw(served.origin, [head('Content-Length: 1000000000000')])
    expect(problemOf(answer!)).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    expect(answer?.headers.connection).toBe('close')
  })

  test('that comes in chunks is refused as soon as it is too much, not at its end', async () => {
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`
    const startedAt = performance.now()
    const [answer] = await askRaw(served.origin, [head('Transfer-Encoding: chunked'), chunk, chunk])
    expect(problemOf(answer!)).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  test('that is packed into little is too much', async () => {
    const bomb = gzipSync(Buffer.alloc(500_000, ' '))
    expect(bomb.length).toBeLessThan(1024)
    const answer = await send('/small', bomb, { ...JSON_TYPE, 'content-encoding': 'gzip' })
    expect(problemOf(answer)).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
  })
})

describe('Too slow', () => {
  test.each([
    ['Content-Length: 20', '{"a":'],
    ['Transfer-Encoding: chunked', '5\r\n{"a":\r\n'],
  ])('is 408 after the time, and ends the connection: %s', async (length, start) => {
    const startedAt = performance.now()
    const socket = net.connect(served.port, '127.0.0.1')
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString()
    })
    socket.on('error', () => {})
    socket.write(head(length) + start)
    const timer = setInterval(() => socket.write(length.startsWith('C') ? ' ' : '1\r\n \r\n'), 300)
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(timer)
    expect(heard).toMatch(/^HTTP\/1\.1 408 /)
    expect(heard).toContain('Connection: close')
    expect(heard).toContain('"code":"REQUEST_TIMEOUT"')
    expect(performance.now() - startedAt).toBeGreaterThan(950)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })
})
