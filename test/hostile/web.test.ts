// What browsers, and what stands between them and us, say of a request: none of it is believed.
//
// The server is known as https://data.example.org, its files as https://files.example.net; pages of https://app.example.org may
// call it. Whatever calls itself evil.example must be nowhere in any answer: the harness looks for it in all of them.

import { expect } from '@jest/globals'
import type { Answer } from '../dialects/exchange.js'
import { rowsOf } from '../dialects/tus-client.js'
import {
  anonymous,
  type Case,
  type Expected,
  type Ground,
  hostileGround,
  json,
  signed,
  TUS,
} from './harness.js'

const PUBLIC_URL = 'https://data.example.org'
const RETRIEVAL_URL = 'https://files.example.net'
const LISTED = 'https://app.example.org'

const { table } = hostileGround({
  env: { PUBLIC_URL, RETRIEVAL_URL, CORS_ORIGINS: LISTED },
  // So that a list has a second page, and a session can be asked for again.
  furnish: async (server) => {
    const { status } = await fetch(`${server.url}/uploads`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${server.key}`, 'Content-Type': 'application/json', ...AGAIN },
      body: SESSION,
    })
    expect(status).toBe(201)
    expect(await rowsOf(server, 'SELECT id FROM uploads')).toHaveLength(1)
  },
})

const AGAIN = { 'Idempotency-Key': 'again' }
const SESSION = '{"filename":"again.csv"}'

const refused = { status: 400, code: 'INVALID_INPUT' } as const
const unknown = { status: 404, code: 'NOT_FOUND' } as const
const missing = { status: 401, code: 'UNAUTHORIZED' } as const

/** No page of another site may read the answer. */
const unreadable = ({ status, headers }: Answer) => {
  expect(headers['access-control-allow-origin']).toBeUndefined()
  expect(headers['access-control-allow-credentials']).toBeUndefined()
  // No cache keeps a 400, which is for no origin.
  if (status !== 400) expect(headers.vary).toMatch(/\bOrigin\b/)
}

const preflight = (origin: string, method = 'DELETE') =>
  anonymous('OPTIONS /uploads/x', [
    `Origin: ${origin}`,
    `Access-Control-Request-Method: ${method}`,
    'Access-Control-Request-Headers: authorization, tus-resumable, x-evil',
    'Access-Control-Request-Private-Network: true',
  ])

const noOrigins: readonly [string, string][] = [
  ['null', 'null'],
  ['another site', 'https://other.example.com'],
  ['the same site by http', 'http://app.example.org'],
  ['another port', 'https://app.example.org:8443'],
  ['the default port', 'https://app.example.org:443'],
  ['a site that ends alike', 'https://evil-app.example.org'],
  ['a site that begins alike', 'https://app.example.org.example.com'],
  ['a part of it', 'https://app.example'],
  ['in uppercase', 'https://APP.EXAMPLE.ORG'],
  ['with a slash', 'https://app.example.org/'],
  ['with a user', 'https://x@app.example.org'],
  ['with a dot for any character', 'https://appxexample.org'],
  ['two', 'https://app.example.org https://other.example.com'],
  ['a list', 'https://app.example.org, https://other.example.com'],
  ['of two headers', 'https://app.example.org\r\nOrigin: https://other.example.com'],
  ['a star', '*'],
  ['nothing', ''],
  ['file:', 'file://'],
  ['of an extension', 'chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  ['10 kB', `https://${'a'.repeat(10_000)}.example.com`],
]

table('Origin: preflights', [
  ...noOrigins.map(
    ([name, origin]): Case => ({
      name,
      status: [200, 204, 400, 404],
      check: unreadable,
      send: () => preflight(origin),
    }),
  ),
  {
    name: 'one that is listed, so that the rest means something',
    status: 204,
    check: ({ headers }) => {
      expect(headers['access-control-allow-origin']).toBe(LISTED)
      expect(headers['access-control-allow-credentials']).toBeUndefined()
      expect(headers['access-control-allow-private-network']).toBeUndefined()
    },
    send: () => preflight(LISTED),
  },
])

table('Origin: answers', [
  ...['null', 'https://other.example.com', 'http://app.example.org', '*'].map(
    (origin): Case => ({
      name: origin,
      status: 200,
      check: unreadable,
      send: (g) => signed(g, 'GET /uploads', [`Origin: ${origin}`]),
    }),
  ),
  {
    name: 'of a problem',
    ...unknown,
    check: unreadable,
    send: (g) => signed(g, 'GET /uploads/none', ['Origin: https://other.example.com']),
  },
  {
    name: 'of a listed one without a credential: a cookie is none',
    ...missing,
    check: ({ headers }) => expect(headers['access-control-allow-credentials']).toBeUndefined(),
    send: () => anonymous('GET /uploads', [`Origin: ${LISTED}`, 'Cookie: edi-token=x']),
  },
])

const evilHosts: readonly [string, string][] = [
  ['another', 'evil.example'],
  ['another with a port', 'evil.example:443'],
  ['one that begins alike', 'data.example.org.evil.example'],
  ['one with a user', 'data.example.org@evil.example'],
  ['one with a path', 'evil.example/data.example.org'],
  ['one with a query', 'evil.example?'],
  ['one with a fragment', 'evil.example#'],
  ['one with a slash of the other way', 'evil.example\\@data.example.org'],
  ['one with a port that is none', 'data.example.org:evil.example'],
  ['one with markup', '"><script>evil.example</script>'],
  ['one with a tab', 'data.example.org\tevil.example'],
  ['a list', 'data.example.org, evil.example'],
  ['nothing', ''],
  ['an address', '169.254.169.254'],
  ['an address in brackets', '[::ffff:127.0.0.1]'],
  ['a bracket', '['],
  ['10 kB', `${'evil.example.'.repeat(800)}org`],
  ['bytes over 127', 'd\xe4ta.evil.example'],
]

/** Without a word of who asked. */
const anyHost = (host: string, line: string, headers: readonly string[]) =>
  [`${line} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n')

/** Or refused, where a host can't be one. */
const sameUrls: Expected = {
  status: [200, 400],
  check: ({ status, body }, g) => {
    if (status === 400) return
    const report = JSON.parse(body.toString())
    expect(report.retrieval_url).toBe(`${RETRIEVAL_URL}${g.retrieval}`)
    expect(report.eml_url).toBe(`${PUBLIC_URL}/uploads/${g.ready.id}/eml`)
  },
}

table(
  'Host',
  evilHosts.map(
    ([name, host]): Case => ({
      name: `${name}: the URLs in the answer stay what they are`,
      ...sameUrls,
      send: (g) => anyHost(host, `GET /uploads/${g.ready.id}`, [g.credential]),
    }),
  ),
)

const evilHeaders = [
  'X-Forwarded-Host: evil.example',
  'X-Forwarded-Proto: javascript',
  'X-Forwarded-Port: 6666',
  'X-Forwarded-Prefix: //evil.example',
  'X-Forwarded-Server: evil.example',
  'X-Forwarded-Scheme: http',
  'X-Forwarded-For: evil.example, 127.0.0.1, ::1, \xff',
  'Forwarded: for=127.0.0.1;host=evil.example;proto=http',
  'X-Host: evil.example',
  'X-Real-IP: evil.example',
  'X-Original-Host: evil.example',
  'X-Backend-Host: evil.example',
  'Front-End-Https: off',
  'Via: 1.0 evil.example',
  'Referer: https://evil.example/',
  'X-ProxyUser-Ip: 127.0.0.1',
  'CF-Connecting-IP: 127.0.0.1',
  'True-Client-IP: 127.0.0.1',
]

table('headers of proxies', [
  ...evilHeaders.map(
    (header): Case => ({
      name: `${header.slice(0, 50)}: the URLs in the answer stay what they are`,
      ...sameUrls,
      status: 200,
      send: (g) => signed(g, `GET /uploads/${g.ready.id}`, [header]),
    }),
  ),
  {
    name: 'all at once: Location is ours',
    status: 200,
    check: ({ headers }) =>
      expect(headers.location).toMatch(/^https:\/\/data\.example\.org\/uploads\/[0-9a-f]{40}$/),
    send: (g) => json(g, 'POST /uploads', SESSION, ['Idempotency-Key: again', ...evilHeaders]),
  },
  {
    name: 'all at once: the link to the next page is ours',
    status: 200,
    check: ({ headers }) => expect(headers.link).toMatch(/^<https:\/\/data\.example\.org\/uploads\?/),
    send: (g) => signed(g, 'GET /uploads?limit=1', evilHeaders),
  },
  {
    name: 'a whole URL of another host as the target: the link to the next page is ours',
    status: [200, 400],
    check: ({ status, headers }) => {
      if (status === 200) expect(headers.link).toMatch(/^<https:\/\/data\.example\.org\/uploads\?/)
    },
    send: (g) => signed(g, 'GET http://evil.example/uploads?limit=1'),
  },
  {
    name: 'two slashes as the target: no link leads elsewhere',
    status: [200, 404],
    mayEcho: true,
    check: ({ status, headers }) => {
      if (status === 200) expect(headers.link).toMatch(/^<https:\/\/data\.example\.org\/uploads\?/)
    },
    send: (g) => signed(g, 'GET //evil.example/uploads?limit=1'),
  },
  ...['X-Original-URL', 'X-Rewrite-URL', 'X-Override-URL', 'X-Accel-Redirect'].map(
    (name): Case => ({
      name: `${name}: the path is that of the request`,
      ...unknown,
      send: (g) => signed(g, 'GET /uploads/none', [`${name}: /uploads/${g.ready.id}`]),
    }),
  ),
  {
    name: 'X-Original-Method',
    ...unknown,
    send: (g) => signed(g, 'GET /packages/none', ['X-Original-Method: DELETE', 'X-HTTP-Method: DELETE']),
  },
])

table('the host of files', [
  ...(
    [
      ['a list', (g: Ground) => [`GET /uploads`, g.credential]],
      ['a report', (g: Ground) => [`GET /uploads/${g.ready.id}`, g.credential]],
      ['a deletion', (g: Ground) => [`DELETE /uploads/${g.canary}`, g.credential, TUS]],
      [
        'a deletion by override',
        (g: Ground) => [`POST /uploads/${g.canary}`, g.credential, TUS, 'X-HTTP-Method-Override: DELETE'],
      ],
      ['the page', () => ['GET /']],
      ['the documentation', () => ['GET /docs']],
      ['a preflight', () => ['OPTIONS /uploads', `Origin: ${LISTED}`, 'Access-Control-Request-Method: POST']],
      ['what isn’t there', () => ['GET /nothing']],
    ] as const
  ).flatMap(([name, request]) =>
    ['files.example.net', 'FILES.example.net:443', 'files.example.net.'].map(
      (host): Case => ({
        name: `${name} isn’t on ${host}`,
        ...unknown,
        send: (g) => {
          const [line, ...headers] = request(g)
          return anyHost(host, line ?? '', headers)
        },
      }),
    ),
  ),
  {
    name: 'a file is',
    status: 200,
    send: (g) => anyHost('files.example.net', `GET ${g.retrieval}`, []),
  },
])

/** As a form of another site sends it, with what the browser adds by itself. */
const fromForm = (type: string) => [
  'Origin: https://evil.example',
  'Referer: https://evil.example/form.html',
  'Sec-Fetch-Site: cross-site',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Dest: document',
  'Cookie: edi-token=x; session=y',
  `Content-Type: ${type}`,
]

table('forms of another site', [
  ...['application/x-www-form-urlencoded', 'multipart/form-data; boundary=b', 'text/plain'].flatMap((type) =>
    (
      [
        ['an upload', () => 'POST /uploads'],
        ['a file', () => 'POST /files?filename=x'],
        ['a package', () => 'POST /packages'],
        ['a key', () => 'POST /api-keys'],
        ['a webhook', () => 'POST /webhooks'],
        ['finalizing', (g: Ground) => `POST /packages/${g.openPackage}/finalize`],
        ['a new retrieval URL', (g: Ground) => `POST /uploads/${g.ready.id}/retrieval-url`],
        ['a deletion', (g: Ground) => `POST /uploads/${g.canary}?_method=DELETE`],
      ] as const
    ).map(
      ([name, line]): Case => ({
        name: `${name} by ${type}`,
        ...missing,
        send: (g) => anonymous(line(g), fromForm(type), '{"name":"x","filename":"x","a":"="}'),
      }),
    ),
  ),
  {
    name: 'a callback, as of JSONP',
    ...refused,
    send: (g) => signed(g, 'GET /uploads?callback=alert'),
  },
])

const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/

table(
  'X-Request-ID that could forge a line',
  [
    'a b c d e f g h',
    '<script>alert(1)</script>',
    '{"level":"fatal"}',
    '%0d%0aSet-Cookie:a=b',
    'short',
    'x'.repeat(65),
    'x'.repeat(10_000),
    '\xe6\xb9\x96\xe6\xb9\x96\xe6\xb9\x96',
    '../../../etc/passwd',
    '',
  ].map(
    (id): Case => ({
      name: JSON.stringify(id).slice(0, 40),
      ...unknown,
      check: ({ headers, body }) => {
        expect(headers['x-request-id']).toMatch(REQUEST_ID)
        expect(headers['x-request-id']).not.toBe(id)
        expect(JSON.parse(body.toString()).request_id).toBe(headers['x-request-id'])
      },
      send: (g) => signed(g, 'GET /uploads/none', [`X-Request-ID: ${id}`]),
    }),
  ),
)

/** Asserts the headers that every answer has, and that its policy says `policy`. */
const protectedBy =
  (policy: RegExp) =>
  ({ headers }: Answer) => {
    expect(headers['content-security-policy']).toMatch(policy)
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['strict-transport-security']).toMatch(/^max-age=\d{7,}/)
  }

table('what browsers are told', [
  {
    name: 'of the page: no frame, no script but ours',
    status: 200,
    check: (answer) => {
      const policy = String(answer.headers['content-security-policy'])
      expect(policy).not.toMatch(/script-src[^;]*unsafe|(script|default)-src[^;]*\*/)
      expect(answer.headers['referrer-policy']).toBe('no-referrer')
      protectedBy(/frame-ancestors 'none'/)(answer)
    },
    send: () => anonymous('GET /'),
  },
  {
    name: 'of the documentation',
    status: 200,
    check: protectedBy(/frame-ancestors 'none'/),
    send: () => anonymous('GET /docs'),
  },
  {
    name: 'of a report',
    status: 200,
    check: protectedBy(/default-src 'none'/),
    send: (g) => signed(g, `GET /uploads/${g.ready.id}`, ['Accept: text/html']),
  },
  {
    name: 'of a problem that is asked for as a page',
    ...unknown,
    check: protectedBy(/default-src 'none'/),
    send: (g) => signed(g, 'GET /uploads/%3Cscript%3E', ['Accept: text/html']),
  },
  {
    name: 'of a file',
    status: 200,
    check: (answer) => {
      expect(answer.headers['content-disposition']).toMatch(/^attachment/)
      protectedBy(/sandbox/)(answer)
    },
    send: (g) => anonymous(`GET ${g.retrieval}`),
  },
])

/** Where a webhook would make the server call itself, or what stands beside it. */
const noTargets = [
  'file:///etc/passwd',
  'gopher://127.0.0.1:6379/_FLUSHALL',
  'ftp://example.org/',
  'javascript:alert(1)',
  'data:text/plain,x',
  '//example.org/',
  'example.org',
  'https://user:password@example.org/',
  'https://example.org/#fragment',
  'https://exa mple.org/',
  'https://example.org\\@127.0.0.1/',
  'https://example.org/\r\nX: y',
  'https://[::1',
  'https://example.org:99999/',
  `https://example.org/${'a'.repeat(3000)}`,
  '',
]
const insideTargets = [
  'http://127.0.0.1/',
  'http://localhost/',
  'http://127.1/',
  'http://2130706433/',
  'http://0x7f.0.0.1/',
  'http://0177.0.0.1/',
  'http://0/',
  'http://[::1]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[fe80::1]/',
  'http://10.0.0.1/',
  'http://192.168.0.1/',
  'http://172.16.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[fd00:ec2::254]/',
  'http://100.64.0.1/',
  'http://224.0.0.1/',
  'http://[64:ff9b::7f00:1]/',
  'http://[2002:7f00:1::]/',
  'http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/',
]

table(
  'webhooks that would lead inside',
  [...noTargets, ...insideTargets].map(
    (url): Case => ({
      name: JSON.stringify(url).slice(0, 50),
      ...refused,
      send: (g) => json(g, 'POST /webhooks', { url }),
    }),
  ),
)
