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
    req.identity = { owner: 'lter-ntl', scopes: new Set() }
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

  test('What is below the level is not logged', () => {
    const { log, lines } = capture('warn')
    log.info('hello')
    expect(lines).toEqual([])
  })
})

describe('requestLog', () => {
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
