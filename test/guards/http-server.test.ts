import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { askRaw } from '../dialects/exchange.js'
import { type Guarded, serveGuarded } from './app.js'

let served: Guarded
const asked: string[] = []

beforeAll(async () => {
  served = await serveGuarded(
    (app) => {
      app.get('/quick', (request, response) => {
        asked.push(request.url)
        response.send(`quick ${Object.keys(request.headers).length}`)
      })
      app.post('/body', (request, response) => {
        asked.push(request.url)
        request.resume().once('end', () => response.send('taken'))
      })
    },
    { headersTimeoutMs: 1_000 },
  )
})
afterAll(() => served.close())

const HOST = 'Host: x\r\n'
const CHUNKED = `POST /body HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`

/** Sends it on a connection of its own, and reads until the server closes it. */
async function untilClosed(sent: string | Buffer, options: { everyMs?: number; more?: string } = {}) {
  const socket = net.connect({ port: served.port, host: '127.0.0.1' })
  let heard = ''
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  const closed = once(socket, 'close')
  const startedAt = performance.now()
  socket.write(sent)
  const { everyMs, more = '' } = options
  const timer = everyMs === undefined ? undefined : setInterval(() => socket.write(more), everyMs)
  await closed
  clearInterval(timer)
  return { heard, ms: performance.now() - startedAt }
}

const refused = (heard: string) => {
  const [head = '', body = '{}'] = heard.split('\r\n\r\n')
  const problem = JSON.parse(body)
  return {
    status: Number(head.split(' ')[1]),
    code: problem.code,
    isProblem: /^Content-Type: application\/problem\+json/im.test(head) && !body.includes(' at '),
    told: problem.status,
    isClosed: /^Connection: close/im.test(head),
  }
}

describe('What is no request of HTTP/1.1 is refused, done by nobody, and its connection closed', () => {
  test.each<[string, string | Buffer, number]>([
    ['HTTP/0.9', 'GET /quick\r\n\r\n', 400],
    ['HTTP/2.0 in words', `GET /quick HTTP/2.0\r\n${HOST}\r\n`, 400],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['HTTP/1.2', `GET /quick HTTP/1.2\r\n${HOST}\r\n`, 400],
    ['a TLS hello', Buffer.from('16030100a5010000a10303', 'hex'), 400],
    ['an SSH hello', 'SSH-2.0-OpenSSH_9.2\r\n', 400],
    ['another method', `FOO /quick HTTP/1.1\r\n${HOST}\r\n`, 400],
    ['a method in lowercase', `get /quick HTTP/1.1\r\n${HOST}\r\n`, 400],
    ['no host', 'GET /quick HTTP/1.1\r\n\r\n', 400],
    ['two hosts', `GET /quick HTTP/1.1\r\n${HOST}Host: y\r\n\r\n`, 400],
    ['two equal hosts', `GET /quick HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
    ['a space in a URL', `GET /qui ck HTTP/1.1\r\n${HOST}\r\n`, 400],
    ['NUL in the URL', `GET /qui\0ck HTTP/1.1\r\n${HOST}\r\n`, 400],
    ['NUL in a header', `GET /quick HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, 400],
    ['a folded header', `GET /quick HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`, 400],
    [
      'a folded Transfer-Encoding',
      `POST /body HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n chunked\r\n\r\n`,
      400,
    ],
    ['a space before a colon', 'GET /quick HTTP/1.1\r\nHost : x\r\n\r\n', 400],
    ['a header without a name', `GET /quick HTTP/1.1\r\n${HOST}: x\r\n\r\n`, 400],
    ['bare LF', 'GET /quick HTTP/1.1\nHost: x\n\n', 400],
    ['LF behind a header', 'GET /quick HTTP/1.1\r\nHost: x\nX: y\r\n\r\n', 400],
    ['bare CR', 'GET /quick HTTP/1.1\r\nHost: x\rX: y\r\n\r\n', 400],
    ['two lengths', `POST /body HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`, 400],
    [
      'two equal lengths',
      `POST /body HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\n`,
      400,
    ],
    ['a list of lengths', `POST /body HTTP/1.1\r\n${HOST}Content-Length: 3, 3\r\n\r\n`, 400],
    ['a length with a sign', `POST /body HTTP/1.1\r\n${HOST}Content-Length: +3\r\n\r\n`, 400],
    ['a negative length', `POST /body HTTP/1.1\r\n${HOST}Content-Length: -3\r\n\r\n`, 400],
    ['a hexadecimal length', `POST /body HTTP/1.1\r\n${HOST}Content-Length: 0x3\r\n\r\n`, 400],
    ['a length past 2^64', `POST /body HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\n`, 400],
    ['chunks with a length', CHUNKED.replace('\r\n\r\n', '\r\nContent-Length: 3\r\n\r\n'), 400],
    ['chunks twice', CHUNKED.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n'), 400],
    ['chunks of something packed', CHUNKED.replace('chunked', 'gzip, chunked'), 400],
    ['chunks, and then something else', CHUNKED.replace('chunked', 'chunked, identity'), 400],
    ['chunks by another name', CHUNKED.replace('chunked', 'xchunked'), 400],
    ['chunks in HTTP/1.0', CHUNKED.replace('HTTP/1.1', 'HTTP/1.0'), 400],
    ['an expectation that nobody has', `POST /body HTTP/1.1\r\n${HOST}Expect: more\r\n\r\n`, 417],
    ['a proxy that is asked for', `CONNECT example.org:443 HTTP/1.1\r\n${HOST}\r\n`, 405],
    ['headers over 16 KiB', `GET /quick HTTP/1.1\r\n${HOST}X: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['1,000 headers and one more', `GET /quick HTTP/1.1\r\n${HOST}${'a:\r\n'.repeat(1_000)}\r\n`, 400],
    ['6,000 headers over 16 KiB', `GET /quick HTTP/1.1\r\n${HOST}${'a: bc\r\n'.repeat(6_000)}\r\n`, 431],
    ['3 MB of headers', `GET /quick HTTP/1.1\r\n${HOST}X: ${'a'.repeat(3_000_000)}\r\n\r\n`, 431],
  ])('%s', async (_, sent, status) => {
    asked.length = 0
    const { heard, ms } = await untilClosed(sent)
    const { code, ...answer } = refused(heard)
    expect(answer).toEqual({ status, isProblem: true, told: status, isClosed: true })
    expect(code).toBe(status === 405 ? 'METHOD_NOT_ALLOWED' : 'INVALID_INPUT')
    expect(ms).toBeLessThan(4_000)
    expect(asked).toEqual([])
    const [next] = await askRaw(served.origin, [`GET /quick HTTP/1.1\r\n${HOST}\r\n`])
    expect(next?.status).toBe(200)
  })

  test.each([
    ['no number', 'ZZ\r\nabc\r\n'],
    ['a negative one', '-1\r\n'],
    ['one with 0x', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['one past 2^64', 'fffffffffffffffff\r\nabc'],
    ['bare LF behind it', '3\nabc\n0\n\n'],
    ['fewer bytes than it says', '5\r\nabc\r\n0\r\n\r\n'],
  ])('A chunk whose size is %s', async (_, chunks) => {
    const { heard } = await untilClosed(CHUNKED + chunks)
    expect(refused(heard)).toMatchObject({ status: 400, code: 'INVALID_INPUT', isClosed: true })
  })

  test('Extensions of chunks without end', async () => {
    const { heard } = await untilClosed(`${CHUNKED}3;${'a'.repeat(100_000)}`)
    expect(refused(heard).status).toBe(413)
  })
})

describe('A credential that is too long', () => {
  const token = 'a'.repeat(100_000)

  test.each([
    ['Authorization', `Authorization: Bearer ${token}`],
    ['authorization', `authorization:Bearer ${token}`],
    ['X-API-Key', `X-API-Key: ${token}`],
  ])('is worth nothing, whatever it says: 401 (%s)', async (_, header) => {
    const { heard } = await untilClosed(`GET /quick HTTP/1.1\r\n${HOST}${header}\r\n\r\n`)
    expect(refused(heard)).toMatchObject({ status: 401, code: 'UNAUTHORIZED', isProblem: true })
    expect(heard).toContain('WWW-Authenticate: Bearer realm="antipasto", error="invalid_token"')
    expect(heard).not.toContain('aaaa')
  })

  test('is not blamed for other long headers', async () => {
    const headers = `Authorization: Bearer short\r\nX: ${token}`
    const { heard } = await untilClosed(`GET /quick HTTP/1.1\r\n${HOST}${headers}\r\n\r\n`)
    expect(refused(heard).status).toBe(431)
  })
})

describe('What Node would treat in its own way', () => {
  test.each(['websocket', 'h2c'])(
    'Upgrade is not what this server does: the request is answered as any other, and is the last (%s)',
    async (protocol) => {
      asked.length = 0
      const upgrade = `GET /quick HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
      const { heard } = await untilClosed(`${upgrade}GET /quick?dropped HTTP/1.1\r\n${HOST}\r\n`)
      expect(heard).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(heard).toContain('Connection: close')
      expect(asked).toEqual(['/quick'])
    },
  )

  test('no header is left out, however many there are', async () => {
    const headers = Array.from({ length: 900 }, (_, index) => `${index.toString(36)}:\r\n`).join('')
    const [answer] = await askRaw(served.origin, [`GET /quick HTTP/1.1\r\n${HOST}${headers}\r\n`])
    expect(answer?.body.toString()).toBe('quick 901')
  })

  test('100-continue is met', async () => {
    const asking = `POST /body HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`
    const answers = await askRaw(served.origin, [asking, 'abc'], { answers: 2 })
    expect(answers.map(({ status }) => status)).toEqual([100, 200])
  })
})

describe('Who takes too long', () => {
  test.concurrent.each([
    ['says nothing', '', {}],
    ['stops in the headers', `GET /quick HTTP/1.1\r\n${HOST}`, {}],
    ['sends a byte of them now and then', `GET /quick HTTP/1.1\r\n${HOST}X: `, { everyMs: 50, more: 'a' }],
    ['sends a header now and then', `GET /quick HTTP/1.1\r\n${HOST}`, { everyMs: 50, more: 'X: y\r\n' }],
  ])('with the headers gets 408 within seconds: %s', async (_, sent, options) => {
    const { heard, ms } = await untilClosed(sent, options)
    expect(refused(heard)).toMatchObject({ status: 408, code: 'REQUEST_TIMEOUT', isProblem: true })
    expect(ms).toBeGreaterThan(900)
    expect(ms).toBeLessThan(5_000)
  })

  test.concurrent('with the rest of a body that nobody needs loses the connection after ten seconds', async () => {
    const sent = `GET /quick HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\n`
    const { heard, ms } = await untilClosed(sent, { everyMs: 200, more: 'a' })
    expect(heard).toContain('quick')
    expect(ms).toBeGreaterThan(9_500)
    expect(ms).toBeLessThan(14_000)
  })

  test.concurrent('on an open connection between two requests is let wait', async () => {
    const socket = net.connect({ port: served.port, host: '127.0.0.1' })
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString()
    })
    for (const pauseMs of [0, 3_000]) {
      await sleep(pauseMs)
      heard = ''
      socket.write(`GET /quick HTTP/1.1\r\n${HOST}\r\n`)
      while (!heard.includes('quick')) await sleep(10)
    }
    socket.destroy()
  })
})
