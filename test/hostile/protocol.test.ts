// HTTP itself: requests that two readers could take for different ones, and what isn't HTTP at all.
//
// Where a request could hide another, that is a DELETE of an upload that is really there (`deletion`): it must outlive the case.

import { expect } from '@jest/globals'
import {
  anonymous,
  type Case,
  deletion,
  type Ground,
  hostileGround,
  json,
  OFFSET_STREAM,
  signed,
  TUS,
} from './harness.js'

const { table } = hostileGround()

/** Not a request that can be told the end of: the connection goes with it. */
const noRequest = { status: 400, code: 'INVALID_INPUT', mustClose: true } as const
const refused = { status: 400, code: 'INVALID_INPUT' } as const
const unknown = { status: 404, code: 'NOT_FOUND' } as const

/** A refused creation whose body is `chunks`; unless they are framed as they must be, what follows could be executed. */
const chunked = (g: Ground, chunks: string, headers: readonly string[] = ['Transfer-Encoding: chunked']) =>
  signed(g, 'POST /packages/none/finalize', headers, chunks)

table('Content-Length and Transfer-Encoding', [
  {
    name: 'both: CL.TE',
    ...noRequest,
    send: (g) => {
      const hidden = `0\r\n\r\n${deletion(g)}`
      return chunked(g, hidden, [`Content-Length: ${hidden.length}`, 'Transfer-Encoding: chunked'])
    },
  },
  {
    name: 'both: TE.CL',
    ...noRequest,
    send: (g) => {
      const hidden = deletion(g)
      const chunk = `${hidden.length.toString(16)}\r\n`
      return chunked(g, `${chunk}${hidden}\r\n0\r\n\r\n`, [
        'Transfer-Encoding: chunked',
        `Content-Length: ${chunk.length}`,
      ])
    },
  },
  ...(
    [
      ['chunked twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
      ['chunked twice in a list', ['Transfer-Encoding: chunked, chunked']],
      ['xchunked', ['Transfer-Encoding: xchunked']],
      ['chunked, and something behind it', ['Transfer-Encoding: chunked, identity']],
      ['gzip alone', ['Transfer-Encoding: gzip']],
      ['empty', ['Transfer-Encoding:']],
      ['with a vertical tab before it', ['Transfer-Encoding: \x0bchunked']],
      ['with a space before the colon', ['Transfer-Encoding : chunked']],
      ['folded onto the next line', ['Transfer-Encoding:\r\n chunked']],
      ['in quotes', ['Transfer-Encoding: "chunked"']],
      ['with a NUL behind it', ['Transfer-Encoding: chunked\0']],
      ['identity with a length', ['Transfer-Encoding: identity', 'Content-Length: 5']],
      ['behind a name with an underscore and a length', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ] as const
  ).map(
    ([name, headers]): Case => ({
      name: `Transfer-Encoding: ${name}`,
      ...noRequest,
      send: (g) => chunked(g, `0\r\n\r\n${deletion(g)}`, headers),
    }),
  ),
  {
    name: 'chunked in HTTP/1.0, where there is none',
    status: [400, 404],
    code: ['INVALID_INPUT', 'NOT_FOUND'],
    mustClose: true,
    send: (g) =>
      `POST /packages/none/finalize HTTP/1.0\r\n${g.credential}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${deletion(g)}`,
  },
])

table('chunks', [
  ...(
    [
      ['a negative size', '-1\r\n'],
      ['a size over 2^64', 'fffffffffffffffff\r\nabc'],
      ['a size of 2^64', '10000000000000000\r\nabc'],
      ['a size with 0x', '0x5\r\nabcde\r\n'],
      ['a size with a plus', '+5\r\nabcde\r\n'],
      ['a size with a space before it', ' 5\r\nabcde\r\n'],
      ['a size with an underscore', '0_5\r\nabcde\r\n'],
      ['no size', '\r\nabcde\r\n'],
      ['an end by LF alone', '5\nabcde\n'],
      ['data that go on behind their size', '5\r\nabcdefgh\r\n'],
      ['data without CRLF behind them', '5\r\nabcde0\r\n\r\n'],
      ['an extension with a control character', '5;a=\x01\r\nabcde\r\n'],
      ['an extension with an LF', '5;a=\nb\r\nabcde\r\n'],
      ['an extension of 100 kB', `5;a=${'b'.repeat(100_000)}\r\nabcde\r\n`],
      ['a trailer with a space before its colon', '0\r\nX-A : b\r\n\r\n'],
      ['a trailer with a NUL', '0\r\nX-A: \0\r\n\r\n'],
      ['trailers of 100 kB', `0\r\nX-A: ${'b'.repeat(100_000)}\r\n\r\n`],
    ] as const
  ).map(
    ([name, chunks]): Case => ({
      name,
      // Refused for its path, and then for what comes; or at once.
      status: [400, 404, 413, 431],
      code: ['INVALID_INPUT', 'NOT_FOUND', 'PAYLOAD_TOO_LARGE'],
      mustClose: true,
      send: (g) => [chunked(g, chunks), `0\r\n\r\n${deletion(g)}`],
      ending: 'end',
    }),
  ),
  {
    name: '20,000 chunks, each with an extension, and a DELETE behind them',
    status: [404, 413],
    code: ['NOT_FOUND', 'PAYLOAD_TOO_LARGE'],
    mustClose: true,
    waitsMs: 200,
    send: (g) => [chunked(g, '1;eeeeeeee\r\na\r\n'.repeat(20_000)), `0\r\n\r\n${deletion(g)}`],
  },
  {
    name: 'a file whose third chunk is none: nothing is kept of it',
    ...noRequest,
    leavesTombstone: true,
    send: (g) =>
      signed(
        g,
        'POST /files?filename=x',
        ['Transfer-Encoding: chunked'],
        '3\r\nabc\r\n3\r\ndef\r\nzz\r\nghi\r\n0\r\n\r\n',
      ),
  },
  ...['Content-Length: 5', 'Transfer-Encoding: chunked'].map(
    (trailer): Case => ({
      name: `a trailer ${trailer}`,
      ...noRequest,
      send: (g) => [chunked(g, `0\r\n${trailer}\r\n\r\n`), deletion(g)],
    }),
  ),
  {
    name: 'trailers that would be headers: a credential, another host',
    status: 401,
    code: 'UNAUTHORIZED',
    send: (g) =>
      anonymous(
        'POST /packages/none/finalize',
        ['Transfer-Encoding: chunked', 'Trailer: Authorization, Host'],
        `0\r\n${g.credential}\r\nHost: evil.example\r\n\r\n`,
      ),
  },
  {
    name: 'trailers that would change what was asked for',
    ...unknown,
    send: (g) =>
      chunked(
        g,
        `0\r\nX-HTTP-Method-Override: DELETE\r\nUpload-Offset: 2\r\nContent-Type: text/html\r\n\r\n`,
      ),
  },
])

table('lines', [
  ...(
    [
      ['LF alone between headers', 'GET /healthz HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n'],
      ['LF alone at the end of the request line', 'GET /healthz HTTP/1.1\nHost: a\r\n\r\n'],
      ['CR alone in a value', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\rX-B: c\r\n\r\n'],
      ['LF alone at the end of the headers', 'GET /healthz HTTP/1.1\r\nHost: a\r\n\n'],
      ['a folded value', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n'],
      ['a folded first line', 'GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n'],
      ['a space before the colon', 'GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n'],
      ['a tab before the colon', 'GET /healthz HTTP/1.1\r\nHost\t: a\r\n\r\n'],
      ['no colon', 'GET /healthz HTTP/1.1\r\nHost a\r\n\r\n'],
      ['no name', 'GET /healthz HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n'],
      ['a NUL in a name', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-\0: b\r\n\r\n'],
      ['a NUL in a value', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n'],
      ['ESC in a value', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: \x1b[2J\r\n\r\n'],
      ['DEL in a value', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: \x7f\r\n\r\n'],
      ['a byte over 127 in a name', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-\xe4: b\r\n\r\n'],
      ['a name in parentheses', 'GET /healthz HTTP/1.1\r\nHost: a\r\n(X): b\r\n\r\n'],
      ['a NUL in the target', 'GET /healthz\0 HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['a space in the target', 'GET /health z HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['no target', 'GET HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['a target without a slash', 'GET healthz HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['no version: HTTP/0.9', 'GET /healthz\r\n\r\n'],
      ['a version that is none', 'GET /healthz HTTP/1.1.1\r\nHost: a\r\n\r\n'],
      ['HTTP/3.0', 'GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n'],
      ['a version in small letters', 'GET /healthz http/1.1\r\nHost: a\r\n\r\n'],
      ['a method in small letters', 'get /healthz HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['a method that nobody knows', 'SMUGGLE /healthz HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['a method of 100 kB', `${'A'.repeat(100_000)} /healthz HTTP/1.1\r\nHost: a\r\n\r\n`],
      ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['the hello of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
      ['the hello of SSH', 'SSH-2.0-OpenSSH_9.6\r\n'],
      ['an answer instead of a request', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
      ['a line of PROXY', 'PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['zeros', '\0'.repeat(1000)],
    ] as const
  ).map(([name, text]): Case => ({ name, ...noRequest, send: (g) => [text, deletion(g)], ending: 'end' })),
])

table('targets and hosts', [
  {
    name: 'no Host',
    ...noRequest,
    send: (g) => [`GET /uploads HTTP/1.1\r\n${g.credential}\r\n\r\n`, deletion(g)],
  },
  {
    name: 'two Hosts',
    ...refused,
    send: (g) => `GET /uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n${g.credential}\r\n\r\n`,
  },
  {
    name: 'two Hosts, in HTTP/1.0',
    ...refused,
    mustClose: true,
    send: (g) => `GET /uploads HTTP/1.0\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n${g.credential}\r\n\r\n`,
  },
  {
    name: 'a target that is a whole URL of another host: nothing of it is in the answer',
    ...unknown,
    send: (g) => signed(g, 'GET http://evil.example/uploads/none'),
  },
  {
    name: 'a target that is a whole URL with a user: not a credential',
    status: [400, 401, 404],
    code: ['INVALID_INPUT', 'UNAUTHORIZED', 'NOT_FOUND'],
    send: (g) => anonymous(`GET http://user:${g.server.key}@127.0.0.1/uploads`),
  },
  ...[
    '//evil.example/uploads',
    '/\\evil.example\\uploads',
    '///evil.example/%2f..',
    '/assets',
    '//assets/..',
  ].map(
    (target): Case => ({
      name: `${target}: nothing in the answer leads elsewhere`,
      status: [200, 301, 404],
      check: ({ status, headers, body }) => {
        const link = status === 404 ? JSON.parse(body.toString()).instance : (headers.location ?? '/')
        expect(new URL(link, 'http://here.example').host).toBe('here.example')
      },
      mayEcho: true,
      send: (g) => signed(g, `GET ${target}`),
    }),
  ),
  {
    name: 'two spaces before the version, which HTTP lets pass',
    status: [200, 400],
    send: () => 'GET /healthz  HTTP/1.1\r\nHost: a\r\n\r\n',
  },
  { name: 'a target of dots above the root', ...unknown, send: (g) => signed(g, 'GET /../../etc/passwd') },
  { name: 'a target with a fragment', status: [400, 404], send: (g) => signed(g, 'GET /nothing#/uploads') },
  { name: 'a target of file:', status: [400, 404], send: (g) => signed(g, 'GET file:///etc/passwd') },
  {
    name: 'GET *',
    status: [400, 404],
    code: ['INVALID_INPUT', 'NOT_FOUND'],
    send: (g) => signed(g, 'GET *'),
  },
  {
    name: 'OPTIONS *',
    status: [200, 204, 400, 404],
    send: (g) => signed(g, 'OPTIONS *'),
  },
  {
    name: 'CONNECT',
    status: [400, 404, 405, 501],
    mustClose: true,
    send: (g) => [`CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n`, deletion(g)],
  },
  {
    name: 'TRACE: nothing is echoed',
    status: [404, 405],
    code: ['NOT_FOUND', 'METHOD_NOT_ALLOWED'],
    check: ({ body }) => {
      if (body.includes('X-Canary')) throw new Error('What was sent is echoed.')
    },
    send: (g) => signed(g, `TRACE /uploads/${g.ready.id}`, ['X-Canary: X-Canary']),
  },
  ...['PROPFIND', 'MKCOL', 'MOVE', 'COPY', 'LOCK', 'PURGE', 'LINK', 'SOURCE', 'M-SEARCH'].map(
    (method): Case => ({
      name: method,
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      send: (g) => signed(g, `${method} /uploads/${g.ready.id}`, ['Destination: /uploads/x', 'Depth: 0']),
    }),
  ),
])

/** What has one value: of two, a proxy may have read the other one. */
const twice: readonly [string, (g: Ground) => Uint8Array][] = [
  ['Authorization', (g) => signed(g, 'GET /uploads', [g.stranger])],
  ['X-API-Key', (g) => anonymous('GET /uploads', [apiKey(g.credential), apiKey(g.stranger)])],
  ['Authorization and X-API-Key', (g) => signed(g, 'GET /uploads', [apiKey(g.credential)])],
  [
    'Content-Type',
    (g) => json(g, 'POST /packages', { name: 'x' }, ['Content-Type: application/x-www-form-urlencoded']),
  ],
  [
    'Idempotency-Key',
    (g) => json(g, 'POST /uploads', { filename: 'x' }, ['Idempotency-Key: a1', 'Idempotency-Key: b2']),
  ],
  [
    'Content-Range',
    (g) =>
      signed(
        g,
        `PATCH /uploads/${g.receiving}`,
        ['Content-Range: bytes 2-2/10', 'Content-Range: bytes 2-2/10'],
        'c',
      ),
  ],
  [
    'X-HTTP-Method-Override',
    (g) =>
      signed(g, `POST /uploads/${g.canary}`, [
        TUS,
        'X-HTTP-Method-Override: HEAD',
        'X-HTTP-Method-Override: DELETE',
      ]),
  ],
]

const apiKey = (credential: string) => `X-API-Key: ${credential.split(' ').at(-1)}`

table(
  'headers that there may be one of, twice',
  twice.map(([name, send]): Case => ({ name, ...refused, send })),
)

table('headers twice, elsewhere', [
  {
    name: 'Tus-Resumable',
    status: [400, 412],
    code: ['INVALID_INPUT', 'UNSUPPORTED_VERSION'],
    send: (g) => signed(g, 'POST /uploads', [TUS, TUS, 'Upload-Length: 1']),
  },
  {
    name: 'Upload-Metadata',
    ...refused,
    send: (g) =>
      signed(g, 'POST /uploads', [
        TUS,
        'Upload-Length: 1',
        'Upload-Metadata: filename YQ==',
        'Upload-Metadata: filename Yg==',
      ]),
  },
  {
    name: 'Upload-Length in a name with an underscore, which some proxies take for the same',
    ...refused,
    send: (g) => signed(g, 'POST /uploads', [TUS, 'Upload_Length: 1']),
  },
])

table('one request behind another', [
  {
    name: 'a DELETE as the body of what is refused: thrown away, not executed',
    ...unknown,
    send: (g) => signed(g, 'POST /packages/none/finalize', [], deletion(g)),
  },
  {
    name: 'a DELETE as the body of a GET',
    status: 200,
    send: (g) => anonymous('GET /healthz', [], deletion(g)),
  },
  {
    name: 'a DELETE as the body of a HEAD',
    status: 200,
    isHead: true,
    send: (g) => anonymous('HEAD /healthz', [], deletion(g)),
  },
  {
    name: 'a DELETE as the body of an OPTIONS',
    status: 204,
    send: (g) => anonymous('OPTIONS /uploads', [], deletion(g)),
  },
  {
    name: 'a DELETE as the chunked body of a DELETE',
    ...unknown,
    send: (g) => {
      const hidden = deletion(g)
      return signed(
        g,
        'DELETE /uploads/none',
        ['Transfer-Encoding: chunked'],
        `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
      )
    },
  },
  {
    name: 'DELETEs as the long body of what is refused without a credential',
    status: 401,
    code: 'UNAUTHORIZED',
    mustClose: true,
    waitsMs: 200,
    send: (g) => anonymous('POST /files?filename=x', [], deletion(g).repeat(1000)),
  },
  {
    name: 'a DELETE behind a long body that is refused: the answer has closed the connection',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    mustClose: true,
    waitsMs: 200,
    send: (g) => [
      signed(g, `PATCH /uploads/${g.receiving}`, [TUS, 'Upload-Offset: 2'], 'x'.repeat(100_000)),
      deletion(g),
    ],
  },
  {
    name: 'a DELETE behind a request that closes the connection',
    status: 200,
    mustClose: true,
    waitsMs: 200,
    send: (g) => [anonymous('GET /healthz', ['Connection: close']), 100, deletion(g)],
  },
  {
    name: 'a DELETE in one piece with a request that closes the connection',
    status: 200,
    mustClose: true,
    waitsMs: 200,
    send: (g) => Buffer.concat([anonymous('GET /healthz', ['Connection: close']), Buffer.from(deletion(g))]),
  },
  ...(
    [
      ['two Hosts', 400, () => 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
      ['no Host', 400, () => 'GET /healthz HTTP/1.1\r\n\r\n'],
      ['HTTP/2.0', 400, () => 'GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n'],
      ['an expectation', 417, () => 'GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n'],
    ] as const
  ).map(
    ([name, status, request]): Case => ({
      name: `a DELETE in one piece with a request of ${name}, whose answer closes the connection`,
      status,
      code: 'INVALID_INPUT',
      mustClose: true,
      waitsMs: 200,
      send: (g) => request() + deletion(g),
    }),
  ),
  {
    name: 'a DELETE in one piece with a request for another protocol',
    status: [404, 426],
    mustClose: true,
    waitsMs: 200,
    send: (g) =>
      Buffer.concat([
        signed(g, 'GET /uploads/none', ['Connection: Upgrade', 'Upgrade: h2c']),
        Buffer.from(deletion(g)),
      ]),
  },
  {
    name: 'a DELETE behind HTTP/1.0, which closes the connection',
    status: 200,
    mustClose: true,
    waitsMs: 200,
    send: (g) => `GET /healthz HTTP/1.0\r\n\r\n${deletion(g)}`,
  },
  {
    name: 'a good request behind a refused one is served, in order',
    ...unknown,
    more: [{ status: 200 }, refused, { status: 200 }],
    send: (g) =>
      Buffer.concat([
        signed(g, 'GET /uploads/none'),
        signed(g, `GET /uploads/${g.ready.id}`),
        signed(g, 'GET /uploads?limit=0'),
        signed(g, `GET /uploads/${g.ready.id}`),
      ]),
  },
  {
    name: 'a hundred refused requests in one piece',
    ...unknown,
    more: Array.from({ length: 99 }, () => unknown),
    send: (g) => Buffer.concat(Array.from({ length: 100 }, () => signed(g, 'GET /uploads/none'))),
  },
])

const smallPatch = [TUS, OFFSET_STREAM, 'Content-Length: 1']

table('Expect', [
  {
    name: 'something else than 100-continue',
    status: 417,
    code: 'INVALID_INPUT',
    send: (g) =>
      signed(g, `PATCH /uploads/${g.receiving}`, ['Expect: 200-ok', 'Upload-Offset: 2', ...smallPatch], 'c'),
  },
  {
    name: 'nothing',
    status: [417, 409],
    send: (g) =>
      signed(g, `PATCH /uploads/${g.receiving}`, ['Expect:', 'Upload-Offset: 3', ...smallPatch], 'c'),
  },
  {
    name: '100-continue for a body that is refused: it isn’t asked for',
    status: 409,
    code: 'OFFSET_MISMATCH',
    interim: 0,
    send: (g) =>
      signed(g, `PATCH /uploads/${g.receiving}`, ['Expect: 100-continue', 'Upload-Offset: 3', ...smallPatch]),
    ending: 'leave',
  },
  {
    name: '100-continue without a credential: the body isn’t asked for',
    status: 401,
    code: 'UNAUTHORIZED',
    interim: 0,
    send: () => anonymous('POST /files?filename=x', ['Expect: 100-continue', 'Content-Length: 1000000']),
    ending: 'leave',
  },
  {
    name: '100-continue without a body',
    ...unknown,
    send: (g) => signed(g, 'POST /packages/none/finalize', ['Expect: 100-continue']),
  },
  {
    name: '100-continue for JSON that never comes',
    status: [400],
    interim: 1,
    send: (g) =>
      signed(g, 'POST /packages', [
        'Content-Type: application/json',
        'Content-Length: 10',
        'Expect: 100-continue',
      ]),
    ending: 'end',
  },
  {
    name: '100-continue, and the end before a byte of the file',
    status: 400,
    ending: 'destroy',
    leavesTombstone: true,
    send: (g) => [
      signed(g, 'POST /files?filename=x', ['Expect: 100-continue', 'Content-Length: 1000000']),
      100,
    ],
  },
  {
    name: '100-continue in HTTP/1.0, which has none',
    interim: 0,
    mustClose: true,
    send: (g) => `POST /uploads/none HTTP/1.0\r\n${g.credential}\r\nExpect: 100-continue\r\n\r\n`,
    status: [404, 405],
    code: ['NOT_FOUND', 'METHOD_NOT_ALLOWED'],
  },
])

table('Upgrade', [
  ...(
    [
      [
        'websocket',
        ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'],
      ],
      ['h2c', ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']],
      ['TLS/1.0', ['Upgrade: TLS/1.0']],
    ] as const
  ).map(
    ([name, headers]): Case => ({
      name: `to ${name} is no way in: the request is what it is without it, or refused`,
      status: [400, 404, 426, 501],
      send: (g) => signed(g, 'GET /uploads/none', ['Connection: Upgrade', ...headers]),
    }),
  ),
])

table('X-HTTP-Method-Override', [
  ...[
    'GET',
    'PUT',
    'TRACE',
    'CONNECT',
    'OPTIONS',
    'DELETE, PATCH',
    'DELETE\t',
    '',
    '__proto__',
    'd\xebl',
  ].map(
    (method): Case => ({
      name: `${JSON.stringify(method)} by POST`,
      status: [400, 404],
      code: ['INVALID_INPUT', 'NOT_FOUND'],
      send: (g) => signed(g, 'POST /uploads/none', [TUS, `X-HTTP-Method-Override: ${method}`]),
    }),
  ),
  {
    name: 'DELETE by GET, which a page could send',
    ...refused,
    send: (g) => signed(g, `GET /uploads/${g.canary}`, ['X-HTTP-Method-Override: DELETE']),
  },
  {
    name: 'DELETE by HEAD',
    status: 400,
    isHead: true,
    send: (g) => signed(g, `HEAD /uploads/${g.canary}`, [TUS, 'X-HTTP-Method-Override: DELETE']),
  },
  {
    name: 'DELETE without a credential',
    status: 401,
    code: 'UNAUTHORIZED',
    send: (g) => anonymous(`POST /uploads/${g.canary}`, [TUS, 'X-HTTP-Method-Override: DELETE']),
  },
  {
    name: 'DELETE of what is somebody else’s',
    ...unknown,
    send: (g) => anonymous(`POST /uploads/${g.canary}`, [g.stranger, TUS, 'X-HTTP-Method-Override: DELETE']),
  },
  {
    name: 'DELETE in the query, as a form would have it',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    send: (g) => signed(g, `POST /uploads/${g.canary}?_method=DELETE`),
  },
  {
    name: 'DELETE by headers of other names',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    send: (g) =>
      signed(g, `POST /uploads/${g.canary}`, ['X-HTTP-Method: DELETE', 'X-Method-Override: DELETE']),
  },
  {
    name: 'DELETE of a package, where nothing is overridden',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    send: (g) => signed(g, `POST /packages/${g.openPackage}`, ['X-HTTP-Method-Override: DELETE']),
  },
])
