import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { AppError } from '../../server/errors.js'
import { createLog, type Log, requestLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { problemHandler } from '../../server/problem.js'

interface Captured {
  log: Log
  lines: Record<string, unknown>[]
}

function capture(level: string): Captured {
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) }
  return { log: createLog({ level, destination }), lines }
}

function appLoggingTo(log: Log): express.Express {
  const app = express()
  app.use(requestId, requestLog(log))
  app.get(['/healthz', '/uploads/:id', '/r/:token/:filename'], (_req, res) => {
    res.send('x'.repeat(1_000))
  })
  app.post('/uploads', async (req, res) => {
    for await (const _chunk of req) {
      // Read to the end, as a store would.
    }
    req.uploadId = 'made-here'
    req.identity = { owner: 'lter-ntl', scopes: new Set(), keyId: 'key-1' }
    res.sendStatus(201)
  })
  app.get('/stalls', (_req, res) => {
    res.write('begun')
  })
  app.get('/gone', () => {
    throw new AppError('GONE', 'Expired.')
  })
  app.use(problemHandler(log))
  return app
}

describe('createLog', () => {
  test('A line is JSON with level and time, and secrets in it are redacted', () => {
    const { log, lines } = capture('info')
    const headers = { authorization: 'Bearer s3cret', cookie: 's3cret', 'x-api-key': 's3cret', accept: '*/*' }
    log.info({ headers, req: { headers }, ...headers }, 'hello')
    expect(JSON.stringify(lines)).not.toContain('s3cret')
    expect(lines[0]).toMatchObject({
      level: 'info',
      msg: 'hello',
      headers: { accept: '*/*', cookie: '[redacted]' },
    })
    expect(Date.parse(String(lines[0]?.time))).not.toBeNaN()
  })

  test('An error is logged with its stack and all its causes', () => {
    const { log, lines } = capture('info')
    log.error({ err: new AppError('UNAVAILABLE', 'Try again.', { cause: new Error('refused') }) }, 'failed')
    expect(lines[0]?.err).toMatchObject({
      code: 'UNAVAILABLE',
      stack: expect.stringContaining('caused by: Error: refused'),
    })
  })

  test('No secret is in an error, in its causes or in what hangs on it', () => {
    const { log, lines } = capture('debug')
    const jwt = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJFREktMSJ9.${'s'.repeat(86)}`
    const secrets = ['s3cret', jwt, `ap_${'k'.repeat(27)}`]
    const driver = Object.assign(new Error(`connect postgres://u:s3cret@db/x with ${secrets[2]}`), {
      config: { headers: { Authorization: `Bearer ${jwt}` }, password: 's3cret' },
      request: { rawHeaders: ['Authorization', `Bearer ${jwt}`] },
      rawPacket: Buffer.from('GET / HTTP/1.1\r\nX-API-Key: s3cret\r\n'),
    })
    const outer = new AppError('UNAVAILABLE', `Not with ${jwt}.`, { cause: driver })
    log.debug({ err: outer, error: driver, nested: { err: driver } }, `gave up: ${jwt}`)
    const text = JSON.stringify(lines)
    for (const secret of secrets) expect(text).not.toContain(secret)
    expect(text).not.toContain(Buffer.from('s3cret').join(','))
    expect(lines[0]).toMatchObject({
      err: { code: 'UNAVAILABLE', stack: expect.stringContaining('caused by: Error') },
    })
  })

  test('The body that a parser could not read is not told, and what was thrown may be anything', () => {
    const { log, lines } = capture('info')
    log.error({ err: Object.assign(new SyntaxError('Unexpected end'), { body: '{"a": "s3cret' }) }, 'failed')
    for (const err of ['text', 7, null, { plain: 'object' }]) log.error({ err }, 'failed')
    expect(JSON.stringify(lines)).not.toContain('s3cret')
    expect(lines.map(({ err }) => err)).toEqual([
      expect.objectContaining({ message: 'Unexpected end', body: '[redacted]' }),
      'text',
      7,
      null,
      { plain: 'object' },
    ])
  })

  test('What is below the level is not logged', () => {
    const { log, lines } = capture('warn')
    log.info('hello')
    expect(lines).toEqual([])
  })
})

describe('A line can not be forged or broken', () => {
  const HOSTILE = [
    'a\r\n{"level":"fatal","msg":"forged"}',
    '"},{"level":"fatal',
    '\u001b[2J\u001b]0;title\u0007\u009b31m',
    'a\u2028b\u2029c\u0085d',
    'a\u202eb\u2066c\ufeffd',
    '\u0000\ud800',
  ]

  test.each(HOSTILE)('by %j, wherever it stands', (text) => {
    const written: string[] = []
    const destination = { write: (line: string) => written.push(line) }
    const log = createLog({ level: 'debug', destination })
    log
      .child({ child: text })
      .debug({ owner: text, [text]: text, err: new Error(text, { cause: new Error(text) }) }, text)
    expect(written).toHaveLength(1)
    expect(written[0]).toMatch(/^[\x20-\x7e]*\n$/)
    const line = JSON.parse(written[0] ?? '')
    expect(line).toMatchObject({ level: 'debug', owner: text, msg: text, child: text })
  })

  test('by a raw request', async () => {
    const written: string[] = []
    const log = createLog({ level: 'info', destination: { write: (line: string) => written.push(line) } })
    const server = appLoggingTo(log).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const agent = `\x9b2J\x85\x80 and ${'x'.repeat(5_000)}`
    const path = `/uploads/%9b31m%85%e2%80%a8%0d%0a${'x'.repeat(5_000)}`
    socket.end(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\nUser-Agent: ${agent}\r\n\r\n`, 'latin1'))
    while (written.length === 0) await sleep(5)
    server.close()
    expect(written.join('')).toMatch(/^[\x20-\x7e…]*\n$/)
    expect(written.join('').length).toBeLessThan(1_500)
  })
})

describe('requestLog', () => {
  test('An address, a program and a key are told', async () => {
    const { log, lines } = capture('info')
    const app = appLoggingTo(log)
    app.set('trust proxy', 'loopback')
    await request(app)
      .post('/uploads')
      .set('User-Agent', `Java/17.0.15${'x'.repeat(200)}`)
      .send('b')
    await request(app).get('/uploads/u1').set('X-Forwarded-For', '192.0.2.7')
    await request(app).get('/uploads/u1').set('X-Forwarded-For', 'no address, <b>at all</b>')
    await sleep(20)
    expect(lines[0]).toMatchObject({
      address: '127.0.0.1',
      key_id: 'key-1',
      user_agent: expect.stringMatching(/^Java\/17\.0\.15x+…$/),
    })
    expect(String(lines[0]?.user_agent).length).toBeLessThan(130)
    expect(lines[1]).toMatchObject({ address: '192.0.2.7' })
    expect(lines[2]).not.toHaveProperty('address')
  })

  test('A finished request is one line with who, what, how much and how long', async () => {
    const { log, lines } = capture('info')
    await request(appLoggingTo(log))
      .post('/uploads?label=x')
      .set('X-Request-ID', 'client-id-1')
      .send('b'.repeat(5_000))
    await sleep(20)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      id: 'client-id-1',
      method: 'POST',
      path: '/uploads',
      status: 201,
      owner: 'lter-ntl',
      upload_id: 'made-here',
      outcome: 'completed',
    })
    expect(lines[0]?.bytes_in).toBeGreaterThan(5_000)
    expect(lines[0]?.bytes_in).toBeLessThan(6_000)
    expect(lines[0]?.duration_ms).toBeGreaterThan(0)
  })

  test('The upload is known from the path, and a retrieval token is not written down', async () => {
    const { log, lines } = capture('info')
    const app = appLoggingTo(log)
    await request(app).get('/uploads/u-1_x?access_token=s3cret')
    await request(app).get('/r/s3cret/lake.csv')
    await sleep(20)
    expect(lines[0]).toMatchObject({ path: '/uploads/u-1_x', upload_id: 'u-1_x' })
    expect(lines[1]).toMatchObject({ path: '/r/[redacted]/lake.csv', status: 200 })
    expect(JSON.stringify(lines)).not.toContain('s3cret')
  })

  test('A refused request has its code', async () => {
    const { log, lines } = capture('info')
    await request(appLoggingTo(log)).get('/gone')
    await sleep(20)
    expect(lines).toMatchObject([{ status: 410, code: 'GONE', outcome: 'completed' }])
  })

  test('Probes that are well are logged at debug only', async () => {
    const { log, lines } = capture('info')
    await request(appLoggingTo(log)).get('/healthz')
    await sleep(20)
    expect(lines).toEqual([])
  })

  test('A client that goes away is logged as aborted, and bytes are counted per request, not per connection', async () => {
    const { log, lines } = capture('info')
    const server = appLoggingTo(log).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const get = async (path: string) => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await once(socket, 'data')
      await sleep(20)
    }
    await get('/uploads/u1')
    await get('/uploads/u1')
    await get('/stalls')
    socket.destroy()
    while (lines.length < 3) await sleep(5)
    server.close()
    expect(lines[0]?.bytes_in).toBe('GET /uploads/u1 HTTP/1.1\r\nHost: x\r\n\r\n'.length)
    expect(lines[1]).toMatchObject({ bytes_in: lines[0]?.bytes_in, bytes_out: lines[0]?.bytes_out })
    expect(lines[1]?.bytes_out).toBeGreaterThan(1_000)
    expect(lines[2]).toMatchObject({ path: '/stalls', outcome: 'aborted' })
  })
})
