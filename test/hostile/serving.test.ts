// Bytes on their way out: what a reader may ask for besides them, and what no reader gets.

import { expect } from '@jest/globals'
import type { Answer } from '../dialects/exchange.js'
import { expectSameBytes } from '../dialects/tus-client.js'
import { anonymous, type Case, CONTENT, type Ground, hostileGround, signed } from './harness.js'

const { table } = hostileGround()

const notSatisfiable = { status: 416, code: 'RANGE_NOT_SATISFIABLE' } as const
const unknown = { status: 404, code: 'NOT_FOUND' } as const
const notAllowed = { status: 405, code: 'METHOD_NOT_ALLOWED' } as const

const get = (g: Ground, headers: readonly string[] = [], path = g.retrieval) =>
  anonymous(`GET ${path}`, headers)

const etag = (g: Ground) => `"${g.ready.file_id}"`

/** The whole file, as a download that no browser shows. */
function expectWhole({ headers, body }: Answer): void {
  expectSameBytes(body, CONTENT)
  expect(headers).toMatchObject({
    'content-type': 'text/csv',
    'content-length': '1000',
    'content-disposition': 'attachment; filename="lake.csv"',
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringContaining('sandbox'),
  })
  expect(headers['content-encoding']).toBeUndefined()
}

const whole = { status: 200, check: expectWhole } as const

const noRanges: readonly [string, string][] = [
  ['two', 'bytes=0-1,3-4'],
  ['1,300 of one byte', `bytes=${Array.from({ length: 1300 }, (_, i) => `${i}-${i}`).join(',')}`],
  ['1,300 of all bytes', `bytes=${Array.from({ length: 1300 }, () => '0-').join(',')}`],
  ['two that overlap', 'bytes=0-999,0-999'],
  ['of commas', `bytes=${','.repeat(5000)}`],
  ['of nothing', 'bytes='],
  ['of a hyphen', 'bytes=-'],
  ['of no bytes at the end', 'bytes=-0'],
  ['backwards', 'bytes=5-4'],
  ['behind the end', 'bytes=1000-'],
  ['from 2^53', 'bytes=9007199254740993-'],
  ['from a number of 10,000 digits', `bytes=${'9'.repeat(10_000)}-`],
  ['with a negative start', 'bytes=-5-9'],
  ['in hex', 'bytes=0x0-0x5'],
  ['with spaces inside', 'bytes= 0 - 5'],
  ['in Arabic digits', 'bytes=\xd9\xa0-\xd9\xa5'],
  ['of words', 'bytes=first-last'],
]

table(
  'Range',
  noRanges.map(
    ([name, range]): Case => ({
      name,
      ...notSatisfiable,
      check: ({ headers }) => expect(headers['content-range']).toBe('bytes */1000'),
      send: (g) => get(g, [`Range: ${range}`]),
    }),
  ),
)

table('Range that is no matter', [
  { name: 'in a unit that nobody knows', ...whole, send: (g) => get(g, ['Range: lines=0-5']) },
  { name: 'empty', ...whole, send: (g) => get(g, ['Range:']) },
  {
    name: 'in two headers',
    status: [400, 416],
    code: ['INVALID_INPUT', 'RANGE_NOT_SATISFIABLE'],
    send: (g) => get(g, ['Range: bytes=0-1', 'Range: bytes=3-4']),
  },
  {
    name: 'a length of 10,000 digits from the end: all there is',
    status: 206,
    check: ({ body }) => expectSameBytes(body, CONTENT),
    send: (g) => get(g, [`Range: bytes=-${'9'.repeat(10_000)}`]),
  },
  {
    name: 'an end past 2^64: to the end',
    status: 206,
    check: ({ headers, body }) => {
      expect(headers['content-range']).toBe('bytes 10-999/1000')
      expectSameBytes(body, CONTENT.subarray(10))
    },
    send: (g) => get(g, ['Range: bytes=10-99999999999999999999']),
  },
  {
    name: 'for HEAD',
    status: 200,
    isHead: true,
    check: ({ headers }) => expect(headers['content-length']).toBe('1000'),
    send: (g) => anonymous(`HEAD ${g.retrieval}`, ['Range: bytes=0-1,3-4']),
  },
  {
    name: 'with an If-Range of something else',
    ...whole,
    send: (g) => get(g, ['Range: bytes=0-1,3-4', `If-Range: "${'0'.repeat(64)}"`]),
  },
  {
    name: 'with a weak If-Range',
    ...whole,
    send: (g) => get(g, ['Range: bytes=0-1', `If-Range: W/${etag(g)}`]),
  },
  {
    name: 'with a list in If-Range',
    ...whole,
    send: (g) => get(g, ['Range: bytes=0-1', `If-Range: ${etag(g)}, ${etag(g)}`]),
  },
  {
    name: 'with a date in If-Range that is none',
    ...whole,
    send: (g) => get(g, ['Range: bytes=0-1', 'If-Range: Sat, 99 Zzz 2026 99:99:99 GMT']),
  },
  {
    name: 'with a date in If-Range that is to come',
    ...whole,
    send: (g) => get(g, ['Range: bytes=0-1', 'If-Range: Fri, 31 Dec 9999 23:59:59 GMT']),
  },
  {
    name: 'with 10 kB of If-Range',
    ...whole,
    send: (g) => get(g, ['Range: bytes=0-1', `If-Range: ${'"a" '.repeat(2500)}`]),
  },
])

table('If-None-Match', [
  {
    name: '10 kB of tags, none of them right',
    ...whole,
    send: (g) => get(g, [`If-None-Match: ${tags(2500)}`]),
  },
  {
    name: '10 kB of tags, the last one right',
    status: 304,
    send: (g) => get(g, [`If-None-Match: ${tags(2000)}, ${etag(g)}`]),
  },
  { name: '10 kB of quotes', ...whole, send: (g) => get(g, [`If-None-Match: ${'"'.repeat(10_000)}`]) },
  { name: '10 kB of backslashes', ...whole, send: (g) => get(g, [`If-None-Match: "${'\\'.repeat(10_000)}`]) },
  { name: 'a tag that is cut', ...whole, send: (g) => get(g, [`If-None-Match: ${etag(g).slice(0, -1)}`]) },
  { name: 'a tag without quotes', ...whole, send: (g) => get(g, [`If-None-Match: ${g.ready.file_id}`]) },
  { name: 'a tag inside another', ...whole, send: (g) => get(g, [`If-None-Match: "a${g.ready.file_id}b"`]) },
  { name: 'a star among tags', ...whole, send: (g) => get(g, ['If-None-Match: "a", *']) },
  {
    name: 'a date in the future',
    ...whole,
    send: (g) => get(g, ['If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT']),
  },
])

function tags(count: number): string {
  return Array.from({ length: count }, () => '"a"').join(',')
}

table('what is negotiated: nothing', [
  { name: 'a page', ...whole, send: (g) => get(g, ['Accept: text/html']) },
  { name: 'nothing at all', ...whole, send: (g) => get(g, ['Accept: */*;q=0']) },
  { name: '10 kB of Accept', ...whole, send: (g) => get(g, [`Accept: ${'a/b;q=0.1,'.repeat(1000)}`]) },
  { name: 'a coding', ...whole, send: (g) => get(g, ['Accept-Encoding: gzip, br, zstd, *']) },
  { name: 'no identity', ...whole, send: (g) => get(g, ['Accept-Encoding: identity;q=0']) },
  {
    name: 'a language',
    ...whole,
    send: (g) => get(g, [`Accept-Language: ${'en-US,'.repeat(1000)}`]),
  },
  {
    name: 'a credential that is none',
    ...whole,
    send: (g) => get(g, ['Authorization: Bearer x', 'X-API-Key: y']),
  },
  { name: 'a cookie', ...whole, send: (g) => get(g, ['Cookie: edi-token=x']) },
  {
    name: 'a body with the GET',
    ...whole,
    send: (g) => anonymous(`GET ${g.retrieval}`, ['Content-Type: text/html'], '<script>'),
  },
])

table('the URL', [
  { name: 'another name', ...whole, send: (g) => get(g, [], `${tokenPath(g)}/evil.html`) },
  {
    name: 'a name with an escaped slash',
    ...whole,
    send: (g) => get(g, [], `${tokenPath(g)}/a%2f..%2fb.html`),
  },
  { name: 'a name of CR and LF', ...whole, send: (g) => get(g, [], `${tokenPath(g)}/%0d%0aX-Evil:%20y`) },
  { name: 'no name', ...whole, send: (g) => get(g, [], tokenPath(g)) },
  {
    name: 'a query',
    ...whole,
    send: (g) => get(g, [], `${g.retrieval}?download=0&response-content-type=text/html`),
  },
  {
    name: '10,000 members of a query',
    ...whole,
    send: (g) => get(g, [], `${g.retrieval}?${'a&'.repeat(5000)}`),
  },
  { name: 'two slashes', status: [200, 404], send: (g) => get(g, [], g.retrieval.replace('/r/', '/r//')) },
  { name: 'a segment more', ...unknown, send: (g) => get(g, [], `${g.retrieval}/more`) },
  { name: 'dots behind it', ...unknown, send: (g) => get(g, [], `${g.retrieval}/../../..`) },
  {
    name: 'an encoded slash before the name',
    ...unknown,
    send: (g) => get(g, [], `${tokenPath(g)}%2flake.csv`),
  },
  { name: 'a token with a character more', ...unknown, send: (g) => get(g, [], `${tokenPath(g)}A/lake.csv`) },
  {
    name: 'a token with a character less',
    ...unknown,
    send: (g) => get(g, [], `${tokenPath(g).slice(0, -1)}/x`),
  },
  {
    name: 'a token in another case',
    ...unknown,
    send: (g) => get(g, [], `/r/${swapCase(tokenPath(g).slice(3))}/lake.csv`),
  },
  { name: 'a token with NUL behind it', ...unknown, send: (g) => get(g, [], `${tokenPath(g)}%00/lake.csv`) },
  {
    name: 'a token with a space behind it',
    ...unknown,
    send: (g) => get(g, [], `${tokenPath(g)}%20/lake.csv`),
  },
  { name: 'a token of wildcards', ...unknown, send: (g) => get(g, [], '/r/%25/lake.csv') },
  { name: 'no token', ...unknown, send: (g) => get(g, [], '/r//') },
])

const tokenPath = (g: Ground) => g.retrieval.split('/').slice(0, 3).join('/')

function swapCase(text: string): string {
  return [...text]
    .map((letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()))
    .join('')
}

table(
  'methods',
  ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE'].map(
    (method): Case => ({
      name: `${method} of a retrieval URL, with the owner’s credential`,
      ...notAllowed,
      check: ({ headers }) => expect(headers.allow).toBe('GET, HEAD'),
      send: (g) => signed(g, `${method} ${g.retrieval}`),
    }),
  ),
)

table('files by their content', [
  {
    name: 'ranges',
    ...notSatisfiable,
    send: (g) => signed(g, `GET /files/${g.ready.file_id}`, ['Range: bytes=0-1,3-4']),
  },
  {
    name: 'a page is asked for: it is a download all the same',
    ...whole,
    send: (g) => signed(g, `GET /files/${g.ready.file_id}`, ['Accept: text/html']),
  },
  {
    name: 'without a credential',
    status: 401,
    code: 'UNAUTHORIZED',
    send: (g) => anonymous(`GET /files/${g.ready.file_id}`),
  },
  {
    name: 'with the credential in the query',
    status: 400,
    code: 'INVALID_INPUT',
    send: (g) => anonymous(`GET /files/${g.ready.file_id}?access_token=${g.credential.split(' ').at(-1)}`),
  },
  { name: 'an MD5', ...unknown, send: (g) => signed(g, `GET /files/${g.ready.checksums?.md5}/download`) },
  {
    name: 'PUT of other bytes under a digest',
    ...notAllowed,
    send: (g) => signed(g, `PUT /files/${g.ready.file_id}`, [], 'evil'),
  },
])

table('pages and documents', [
  { name: 'a file outside the dashboard', ...unknown, send: (g) => get(g, [], '/%2e%2e/server/main.js') },
  {
    name: 'a file outside, by two escapes',
    ...unknown,
    send: (g) => get(g, [], '/..%252f..%252fpackage.json'),
  },
  {
    name: 'a file outside, by backslashes',
    ...unknown,
    send: (g) => get(g, [], '/..%5c..%5cpackage.json'),
  },
  {
    name: 'a file outside the folder of assets',
    status: [400, 403, 404],
    send: (g) => get(g, [], '/assets/..%2f..%2f..%2fpackage.json'),
  },
  { name: 'a hidden file', ...unknown, send: (g) => get(g, [], '/.env') },
  { name: 'a NUL in an asset', status: [400, 404], send: (g) => get(g, [], '/assets/%00') },
  { name: 'a broken escape', status: [400, 404], send: (g) => get(g, [], '/assets/%zz') },
  { name: 'a name of 10 kB', status: [404, 414], send: (g) => get(g, [], `/${'a'.repeat(10_000)}`) },
  {
    name: 'the page by POST',
    status: [404, 405],
    code: ['NOT_FOUND', 'METHOD_NOT_ALLOWED'],
    send: () => anonymous('POST /', [], 'x'),
  },
  {
    name: 'the page with ranges',
    status: [200, 206, 416],
    send: (g) => get(g, ['Range: bytes=0-0,1-1,2-2'], '/'),
  },
  {
    name: 'openapi.json by DELETE',
    ...notAllowed,
    send: (g) => signed(g, 'DELETE /openapi.json'),
  },
])

const limited = (name: string, path: string): Case => ({
  name,
  status: 400,
  code: 'INVALID_INPUT',
  send: (g) => signed(g, `GET ${path}`),
})

table('lists and events', [
  ...['0', '-1', '1e9', '1000000000', '501', '1.5', 'NaN', '0x10', '%20', '9'.repeat(5000)].map((limit) =>
    limited(`limit=${limit.slice(0, 12)}`, `/uploads?limit=${limit}`),
  ),
  limited('a limit twice', '/uploads?limit=1&limit=2'),
  limited('a limit as a list', '/uploads?limit[]=1'),
  limited('a limit as an object', '/uploads?limit[gt]=1'),
  limited('a negative sequence', '/events?since=-1'),
  limited('a sequence over 2^64', '/events?since=99999999999999999999'),
  limited('a wait of a year', '/events?wait=31536000'),
  limited('a negative wait', '/events?wait=-1'),
  limited('a state that is none', '/uploads?state=ready,evil'),
  limited('a state of 10 kB', `/uploads?state=${'ready,'.repeat(1600)}`),
  limited('a sort by a column', '/uploads?sort=owner;DROP%20TABLE%20uploads'),
  limited('a filter by nothing', '/packages?metadata.=x'),
  limited(
    'eleven filters',
    `/packages?${Array.from({ length: 11 }, (_, i) => `metadata.k${i}=x`).join('&')}`,
  ),
  limited('a filter with NUL', '/packages?metadata.a=%00'),
  limited('a filter whose name has NUL', '/packages?metadata.%00=a'),
  {
    name: 'a filter by a prototype finds nothing, or is refused',
    status: [200, 400],
    send: (g) => signed(g, 'GET /packages?metadata.__proto__=x'),
  },
])

const cursor = (value: unknown) =>
  encodeURIComponent(
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url'),
  )

table(
  'cursors',
  (
    [
      ['nonsense', 'abc'],
      ['no JSON', cursor('{')],
      ['null', cursor(null)],
      ['a number', cursor(1)],
      ['an object', cursor({ at: 1 })],
      ['an empty list', cursor([])],
      ['of another sort', cursor(['expires_at', '2026-01-01T00:00:00Z', '0'.repeat(40)])],
      ['with a time that is none', cursor(['-created_at', 'yesterday', '0'.repeat(40)])],
      ['with the last year there is', cursor(['-created_at', '+275760-09-13T00:00:00Z', '0'.repeat(40)])],
      ['with a statement as its id', cursor(['-created_at', '2026-01-01T00:00:00Z', `0' OR '1'='1`])],
      ['with NUL', cursor(['-created_at', '2026-01-01T00:00:00Z', '\0'])],
      ['with a prototype', cursor('["-created_at","2026-01-01T00:00:00Z",{"__proto__":1}]')],
      ['nested 100 deep', cursor(`${'['.repeat(100)}${']'.repeat(100)}`)],
      ['of 10 kB', 'a'.repeat(10_000)],
      ['empty', ''],
    ] as const
  ).flatMap(([name, value]) =>
    ['/uploads', '/packages', '/api-keys'].map((list) =>
      limited(`${name}, of ${list}`, `${list}?cursor=${value}`),
    ),
  ),
)
