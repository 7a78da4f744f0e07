// What each kind of answer tells browsers, on the running server.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Answer, ask } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { findFreePort } from '../support/free-port.js'
import { startServer, type TestServer } from '../support/server.js'

const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
const LISTED = 'https://data.example.org'

let server: TestServer
let secure: TestServer
let client: RestClient
let retrievalPath: string
let contentPath: string

beforeAll(async () => {
  ;[server, secure] = await Promise.all([
    startServer({ env: { CORS_ORIGINS: LISTED } }),
    startServer({ env: { PUBLIC_URL: 'https://staging.example.org' } }),
  ])
  client = new RestClient(server)
  const put = await client.send(
    'POST',
    '/files?filename=a.html',
    { 'Content-Type': 'text/html' },
    Buffer.from('<p>'),
  )
  expect(put.status).toBe(201)
  const { retrieval_url, file_id } = bodyOf<{ retrieval_url: string; file_id: string }>(put)
  retrievalPath = new URL(retrieval_url).pathname
  contentPath = `/files/${file_id}`
})

afterAll(async () => {
  await Promise.all([server?.dispose(), secure?.dispose()])
})

/** What every answer has, and no answer has. */
function expectCommon({ headers }: Answer): void {
  expect(headers['x-content-type-options']).toBe('nosniff')
  expect(headers).not.toHaveProperty('x-powered-by')
  expect(headers).not.toHaveProperty('server')
  expect(headers).not.toHaveProperty('set-cookie')
  expect(headers).not.toHaveProperty('access-control-allow-credentials')
}

describe('A document', () => {
  test.each(['/', '/index.html', '/docs', '/docs/', '/docs/start.js', '/docs/swagger-ui.css'])(
    '%s is under the strict policy',
    async (path) => {
      const answer = await ask(server.url, { method: 'GET', path })
      expect(answer.status).toBe(200)
      expectCommon(answer)
      const policy = Object.fromEntries(
        String(answer.headers['content-security-policy'])
          .split(';')
          .map((directive) => [directive.split(' ')[0], directive.slice(directive.indexOf(' ') + 1)]),
      )
      expect(policy).toEqual({
        'default-src': "'none'",
        'script-src': "'self'",
        'script-src-attr': "'none'",
        'style-src': "'self'",
        'img-src': "'self' data: blob:",
        'connect-src': "'self'",
        'worker-src': "'self'",
        'object-src': "'none'",
        'frame-src': "'none'",
        'base-uri': "'none'",
        'form-action': "'none'",
        'frame-ancestors': "'none'",
      })
      expect(answer.headers).toMatchObject({
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
        'permissions-policy': expect.stringContaining('camera=()'),
      })
      expect(answer.headers).not.toHaveProperty('strict-transport-security')
    },
  )
})

describe('Data', () => {
  test.each<[string, string, Record<string, string>, number]>([
    ['GET', '/openapi.json', {}, 200],
    ['GET', '/healthz', {}, 200],
    ['GET', '/nothing-here', {}, 404],
    ['GET', '/r/%zz', {}, 400],
    ['GET', '/r/none/a.html', {}, 404],
    ['GET', '/uploads', {}, 401],
    ['POST', '/docs', {}, 405],
    ['OPTIONS', '/uploads', {}, 204],
  ])('%s %s, even a refusal, says that nothing of it runs', async (method, path, headers, status) => {
    const answer = await ask(server.url, { method, path, headers })
    expect(answer.status).toBe(status)
    expectCommon(answer)
    expect(answer.headers['content-security-policy']).toBe(DATA_POLICY)
    expect(answer.headers).not.toHaveProperty('strict-transport-security')
  })

  test('of tus has it, too, and no more than that', async () => {
    const answer = await client.send('POST', '/uploads', { 'Tus-Resumable': '1.0.0', 'Upload-Length': '5' })
    expect(answer.status).toBe(201)
    expectCommon(answer)
    expect(answer.headers['content-security-policy']).toBe(DATA_POLICY)
    expect(answer.headers).not.toHaveProperty('permissions-policy')
  })

  test('that is no HTTP is answered so, too', async () => {
    const { askRaw } = await import('../dialects/exchange.js')
    const [answer] = await askRaw(server.url, ['nonsense\r\n\r\n'])
    expect(answer?.status).toBe(400)
    expect(answer?.headers['x-content-type-options']).toBe('nosniff')
  })
})

describe('A file of a user', () => {
  const get = (path: string, headers: Record<string, string> = {}) => client.send('GET', path, headers)

  test.each<[string, () => string, Record<string, string>, number]>([
    ['by its retrieval URL', () => retrievalPath, {}, 200],
    ['by its content', () => contentPath, {}, 200],
    ['as a download', () => `${contentPath}/download`, {}, 200],
    ['in part', () => retrievalPath, { Range: 'bytes=0-0' }, 206],
  ])('%s is saved and never shown', async (_way, path, headers, status) => {
    const answer = await get(path(), headers)
    expect(answer.status).toBe(status)
    expectCommon(answer)
    expect(answer.headers).toMatchObject({
      'content-type': 'text/html',
      'content-disposition': 'attachment; filename="a.html"',
      'content-security-policy': `${DATA_POLICY}; sandbox`,
      'cross-origin-resource-policy': 'same-origin',
    })
  })

  test.each([
    'script',
    'worker',
    'sharedworker',
    'serviceworker',
    'style',
    'iframe',
    'frame',
    'object',
    'embed',
    'xslt',
    'audioworklet',
    'x',
  ])('is not made for what a browser calls %s', async (use) => {
    for (const path of [retrievalPath, contentPath, `${contentPath}/download`]) {
      const answer = await get(path, { 'Sec-Fetch-Dest': use })
      expectProblem(answer, 403, 'FORBIDDEN')
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(answer.headers).not.toHaveProperty('www-authenticate')
    }
  })

  test.each(['document', 'empty', 'image', 'audio', 'video'])(
    'is there for what a browser calls %s',
    async (use) => {
      expect((await get(retrievalPath, { 'Sec-Fetch-Dest': use })).status).toBe(200)
    },
  )

  test('keeps its secret when it is gone: what is wanted as a script is 404 when it never was', async () => {
    expectProblem(await get('/r/never-was/a.js', { 'Sec-Fetch-Dest': 'script' }), 404, 'NOT_FOUND')
  })
})

describe('HSTS', () => {
  test.each(['/', '/docs', '/openapi.json', '/uploads', '/nothing'])(
    '%s has it where PUBLIC_URL is https, for this host alone',
    async (path) => {
      const { headers } = await ask(secure.url, { method: 'GET', path })
      expect(headers['strict-transport-security']).toBe('max-age=31536000')
    },
  )
})

describe('CORS', () => {
  const preflight = (origin: string, path = '/uploads') =>
    ask(server.url, {
      method: 'OPTIONS',
      path,
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,tus-resumable',
      },
    })

  test.each(['/uploads', '/uploads/x', '/packages/x', '/files', '/me', '/api-keys', '/events', '/webhooks'])(
    'A listed origin gets its preflight answered at %s',
    async (path) => {
      const answer = await preflight(LISTED, path)
      expect(answer.status).toBe(204)
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': LISTED,
        'access-control-allow-headers': 'authorization,tus-resumable',
        'access-control-max-age': '86400',
        vary: expect.stringContaining('Origin'),
      })
      expect(String(answer.headers['access-control-allow-methods']).split(',').sort()).toEqual([
        'DELETE',
        'GET',
        'HEAD',
        'OPTIONS',
        'PATCH',
        'POST',
        'PUT',
      ])
    },
  )

  test('A listed origin may read what an answer says in its headers, refusals too', async () => {
    const answer = await ask(server.url, { method: 'GET', path: '/uploads', headers: { Origin: LISTED } })
    expect(answer.status).toBe(401)
    expect(answer.headers['access-control-allow-origin']).toBe(LISTED)
    expect(String(answer.headers['access-control-expose-headers']).split(',')).toEqual(
      expect.arrayContaining([
        'Upload-Offset',
        'Location',
        'RateLimit',
        'RateLimit-Policy',
        'Retry-After',
        'WWW-Authenticate',
        'X-Request-ID',
      ]),
    )
  })

  test.each([
    'null',
    'https://evil.example.org',
    `${LISTED}.evil.example`,
    `${LISTED}:8443`,
    `${LISTED}/`,
    'https://sub.data.example.org',
    'http://data.example.org',
    'HTTPS://DATA.EXAMPLE.ORG',
    `${LISTED}, https://evil.example.org`,
    '*',
    '',
  ])('The origin %j gets nothing of CORS, and caches know that it depends on it', async (origin) => {
    const answers = [
      await preflight(origin),
      await preflight(origin, '/files'),
      await client.send('GET', '/uploads', { Origin: origin }),
      await client.send('POST', '/uploads', {
        Origin: origin,
        'Tus-Resumable': '1.0.0',
        'Upload-Length': '1',
      }),
    ]
    for (const { headers } of answers) {
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
      expect(headers.vary).toContain('Origin')
    }
  })

  test('Who sends no Origin gets nothing of CORS either', async () => {
    const { headers } = await client.send('GET', '/uploads')
    expect(headers).not.toHaveProperty('access-control-allow-origin')
    expect(headers.vary).toContain('Origin')
  })

  test('An OPTIONS that is no preflight is answered by tus', async () => {
    const answer = await ask(server.url, { method: 'OPTIONS', path: '/uploads', headers: { Origin: LISTED } })
    expect(answer.status).toBe(204)
    expect(answer.headers).toMatchObject({ 'tus-version': '1.0.0', 'access-control-allow-origin': LISTED })
  })

  test('Without a list nobody is listed', async () => {
    const answer = await ask(secure.url, {
      method: 'OPTIONS',
      path: '/uploads',
      headers: { Origin: 'https://staging.example.org', 'Access-Control-Request-Method': 'POST' },
    })
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })
})

describe('RETRIEVAL_URL', () => {
  let split: TestServer
  let path: string
  let origin: string

  beforeAll(async () => {
    split = await startServer({
      env: { PUBLIC_URL: 'https://staging.example.org', RETRIEVAL_URL: 'https://files.example.net' },
    })
    const put = await new RestClient(split).send(
      'POST',
      '/files',
      { 'Content-Type': 'text/csv' },
      Buffer.from('a,b'),
    )
    const url = new URL(bodyOf<{ retrieval_url: string }>(put).retrieval_url)
    path = url.pathname
    origin = url.origin
  })

  afterAll(async () => split?.dispose())

  const at = (host: string, path: string, method = 'GET') =>
    ask(split.url, { method, path, headers: { Host: host, Authorization: `Bearer ${split.key}` } })

  test('is where retrieval URLs lead', async () => {
    expect(origin).toBe('https://files.example.net')
    const answer = await at('files.example.net', path)
    expect(answer.status).toBe(200)
    expect(answer.body.toString()).toBe('a,b')
    expect((await at('files.example.net', path, 'HEAD')).status).toBe(200)
  })

  test.each(['/healthz', '/readyz', '/HEALTHZ', '/readyz/'])('answers the probe %s', async (probe) => {
    expect((await at('files.example.net', probe)).status).toBe(200)
  })

  test.each([
    ...[
      '/',
      '/index.html',
      '/docs',
      '/docs/start.js',
      '/openapi.json',
      '/uploads',
      '/files',
      '/packages',
      '/me',
      '/sign-in',
    ],
    ...['/r', '/rx', '/%72/x', '//r/x', '/healthz/x', '/nothing'],
  ])('has nothing else: %s', async (other) => {
    expectProblem(await at('files.example.net', other), 404, 'NOT_FOUND')
  })

  test.each([
    'FILES.example.NET',
    'files.example.net:443',
    'files.example.net.',
    'files.example.net.:443',
    'x@files.example.net',
  ])('is meant by the host %s, too', async (host) => {
    expectProblem(await at(host, '/uploads'), 404, 'NOT_FOUND')
  })

  test('takes no upload, and no method override helps', async () => {
    const answer = await ask(split.url, {
      method: 'POST',
      path: '/uploads',
      headers: {
        Host: 'files.example.net',
        Authorization: `Bearer ${split.key}`,
        'Tus-Resumable': '1.0.0',
        'Upload-Length': '1',
      },
    })
    expectProblem(answer, 404, 'NOT_FOUND')
    const left = await at('staging.example.org', '/uploads?limit=10')
    expect(bodyOf<{ items: unknown[] }>(left).items).toHaveLength(1)
  })

  test.each(['staging.example.org', 'files.example.net.evil.org', 'evil.example', 'files.example.net:8443'])(
    'takes nothing from the host %s, whose answers name the same URLs',
    async (host) => {
      const list = await at(host, '/uploads')
      expect(list.status).toBe(200)
      expect(list.body.toString()).toContain(`https://files.example.net${path}`)
      expect(list.body.toString()).not.toContain('evil')
    },
  )

  test('that is PUBLIC_URL itself takes nothing away', async () => {
    const port = await findFreePort()
    const one = await startServer({
      env: { PUBLIC_URL: `http://127.0.0.1:${port}`, RETRIEVAL_URL: `http://127.0.0.1:${port}` },
    })
    try {
      const answer = await ask(one.url, { method: 'GET', path: '/', headers: { Host: `127.0.0.1:${port}` } })
      expect(answer.status).toBe(200)
    } finally {
      await one.dispose()
    }
  })
})
