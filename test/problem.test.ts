import { describe, expect, test } from '@jest/globals'
import express, { type RequestHandler } from 'express'
import request from 'supertest'
import { AppError, type ErrorCode } from '../server/errors.js'
import { createLog } from '../server/ops/log.js'
import { requestId } from '../server/ops/request-id.js'
import { noSuchRoute, problemHandler, statusOf, toProblem } from '../server/problem.js'

const token = 'sEcReTtOkEn'

/** An app with one handler for every path, and what it logged. */
function appThat(handle: RequestHandler): { app: express.Express; logged: () => string } {
  const lines: string[] = []
  const log = createLog({ level: 'debug', destination: { write: (line: string) => lines.push(line) } })
  const app = express()
  app.use(requestId, express.json())
  app.get('/decoded/:id', (req, res) => {
    res.json(req.params)
  })
  app.all('/{*rest}', handle)
  app.use(noSuchRoute)
  app.use(problemHandler(log))
  return { app, logged: () => lines.join('') }
}

function appThatThrows(thrown: unknown): { app: express.Express; logged: () => string } {
  return appThat(() => {
    throw thrown
  })
}

describe('toProblem', () => {
  test.each(Object.entries(statusOf))(
    '%s is a problem with status %d, its own type and a title',
    (code, status) => {
      const problem = toProblem(new AppError(code as ErrorCode, 'Do this.'), {
        requestId: 'r',
        instance: '/x?y=1',
      })
      expect(problem).toMatchObject({
        status,
        code,
        detail: 'Do this.',
        instance: '/x',
        request_id: 'r',
        details: {},
      })
      expect(problem.type).toMatch(/^urn:antipasto:problem:[a-z-]+$/)
      expect(problem.title).toMatch(/^[A-Z]/)
      expect(problem.title).not.toContain('_')
    },
  )

  test("A retrieval token isn't told", () => {
    const problem = toProblem(new AppError('GONE', 'Expired.'), {
      requestId: 'r',
      instance: `/r/${token}/a.csv?x=${token}`,
    })
    expect(problem.instance).toBe('/r/[redacted]/a.csv')
  })
})

describe('the answer', () => {
  test('An expected refusal is problem+json with the request id, its details and no-store', async () => {
    const { app } = appThatThrows(
      new AppError('OFFSET_MISMATCH', 'Resume at offset 7.', { details: { upload_offset: 7n } }),
    )
    const answer = await request(app).patch('/uploads/u1?q=1').set('X-Request-ID', 'client-id-1')
    expect(answer.status).toBe(409)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'x-request-id': 'client-id-1',
      'cache-control': 'no-store',
      'upload-offset': '7',
    })
    expect(answer.body).toEqual({
      type: 'urn:antipasto:problem:offset-mismatch',
      title: 'Offset Mismatch',
      status: 409,
      detail: 'Resume at offset 7.',
      instance: '/uploads/u1',
      code: 'OFFSET_MISMATCH',
      request_id: 'client-id-1',
      details: { upload_offset: 7 },
    })
  })

  test.each<[AppError, Record<string, string>]>([
    [new AppError('UNAUTHORIZED', 'x'), { 'www-authenticate': 'Bearer realm="antipasto"' }],
    [
      new AppError('UNAUTHORIZED', 'x', { details: { error: 'invalid_token' } }),
      { 'www-authenticate': 'Bearer realm="antipasto", error="invalid_token"' },
    ],
    [
      new AppError('FORBIDDEN', 'x', { details: { missing_scope: 'delete' } }),
      { 'www-authenticate': 'Bearer realm="antipasto", error="insufficient_scope", scope="delete"' },
    ],
    [new AppError('UNSUPPORTED_VERSION', 'x'), { 'tus-version': '1.0.0' }],
    [new AppError('UNAVAILABLE', 'x'), { 'retry-after': '5' }],
    [new AppError('LOCKED', 'x', { retryAfterSeconds: 0.2 }), { 'retry-after': '1' }],
    [
      new AppError('RANGE_NOT_SATISFIABLE', 'x', { details: { size: 12 } }),
      { 'content-range': 'bytes */12' },
    ],
    [new AppError('METHOD_NOT_ALLOWED', 'x', { details: { allow: 'GET, HEAD' } }), { allow: 'GET, HEAD' }],
  ])('%s has its headers', async (error, headers) => {
    const answer = await request(appThatThrows(error).app).get('/x')
    expect(answer.status).toBe(statusOf[error.code])
    expect(answer.headers).toMatchObject(headers)
  })

  test('HEAD has the status and the headers, and no body', async () => {
    const answer = await request(appThatThrows(new AppError('GONE', 'Expired.')).app).head('/r/t/f')
    expect(answer.status).toBe(410)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.text).toBeUndefined()
  })

  test.each([
    ['HEAD', '/uploads/u1', 'UNAVAILABLE', 423],
    ['HEAD', '/uploads/u1', 'INTERNAL', 423],
    ['HEAD', '/uploads/u1', 'NOT_FOUND', 404],
    ['HEAD', '/uploads/u1', 'GONE', 410],
    ['HEAD', '/r/t/f', 'UNAVAILABLE', 503],
    ['GET', '/uploads/u1', 'UNAVAILABLE', 503],
    ['PATCH', '/uploads/u1', 'UNAVAILABLE', 503],
  ] as const)('tus-js-client: %s %s that fails with %s answers %d', async (method, path, code, status) => {
    const { app } = appThatThrows(new AppError(code, 'x'))
    const answer = await request(app)[method.toLowerCase() as 'head' | 'get' | 'patch'](path)
    expect(answer.status).toBe(status)
    expect(answer.headers['retry-after']).toBe(code === 'UNAVAILABLE' ? '5' : undefined)
  })

  test("Headers of the body that couldn't be sent are gone", async () => {
    const { app } = appThat((_req, res) => {
      res.set({ ETag: '"x"', 'Content-Disposition': 'attachment', 'Content-Length': '9999', 'X-Kept': 'yes' })
      throw new AppError('UNAVAILABLE', 'x')
    })
    const answer = await request(app).get('/r/t/f')
    expect(answer.status).toBe(503)
    expect(answer.headers.etag).toBeUndefined()
    expect(answer.headers['content-disposition']).toBeUndefined()
    expect(answer.headers['x-kept']).toBe('yes')
    expect(answer.body.code).toBe('UNAVAILABLE')
  })

  test('An answer that has begun is cut off, never ended as if it were whole', async () => {
    const { app } = appThat((_req, res) => {
      res.set('Content-Length', '100').write('half')
      throw new Error('disk gone')
    })
    await expect(request(app).get('/r/t/f')).rejects.toThrow(/aborted|socket hang up/)
  })
})

describe('errors that are not ours', () => {
  test.each<[string, unknown]>([
    ['an error', new TypeError('secret table users at /srv/app.js')],
    ['a string', 'secret'],
    ['an error that only looks like a 4xx', Object.assign(new Error('secret'), { status: 404 })],
  ])('%s is 500, tells nothing of the inside, and is logged whole', async (_name, thrown) => {
    const { app, logged } = appThat(async () => {
      throw thrown
    })
    const answer = await request(app).get('/x')
    expect(answer.status).toBe(500)
    expect(answer.body.code).toBe('INTERNAL')
    expect(answer.text).not.toContain('secret')
    expect(logged()).toContain('secret')
    expect(logged()).toContain(answer.body.request_id)
  })

  test('The cause of an error goes to the log and not to the client', async () => {
    const cause = new Error('connect ECONNREFUSED 10.0.0.7')
    const { app, logged } = appThatThrows(new AppError('UNAVAILABLE', 'Try again.', { cause }))
    const answer = await request(app).get(`/r/${token}/f`)
    expect(answer.text).not.toContain('ECONNREFUSED')
    expect(logged()).toContain('ECONNREFUSED')
    expect(logged()).not.toContain(token)
  })

  test('A broken %-escape in the path is 400', async () => {
    const answer = await request(appThatThrows(new Error('unused')).app).get('/decoded/%zz')
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ code: 'INVALID_INPUT', detail: 'The URL has a broken %-escape.' })
  })

  test('A body that is not JSON is 400, a body that is too large 413', async () => {
    const { app } = appThatThrows(new Error('unused'))
    const broken = await request(app).post('/x').type('json').send('{"a":')
    expect(broken.body).toMatchObject({
      status: 400,
      code: 'INVALID_INPUT',
      detail: 'The body is not valid JSON.',
    })
    const large = await request(app)
      .post('/x')
      .type('json')
      .send(`"${'a'.repeat(200_000)}"`)
    expect(large.body).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
  })

  test('A path that nothing takes is 404', async () => {
    const { app } = appThat((_req, _res, next) => next())
    const answer = await request(app).get('/nowhere')
    expect(answer.body).toMatchObject({ status: 404, code: 'NOT_FOUND', instance: '/nowhere' })
  })
})
