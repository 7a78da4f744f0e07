// Lengths that aren't: of bodies, of uploads, of chunks.

import {
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

const refused = { status: 400, code: 'INVALID_INPUT' } as const

const creation = (g: Ground, headers: readonly string[], body = '') =>
  signed(g, 'POST /uploads', [TUS, ...headers], body)

const patch = (g: Ground, headers: readonly string[], body = '') =>
  signed(g, `PATCH /uploads/${g.receiving}`, [TUS, 'Upload-Offset: 2', OFFSET_STREAM, ...headers], body)

/** A length as tus has it, in the wrong form. */
const noLengths: readonly [string, string][] = [
  ['with a tab inside', '1\t0'],
  ['with a thousands separator', '1_000'],
  ['in Arabic digits', '\xd9\xa1\xd9\xa0'],
  ['in fullwidth digits', '\xef\xbc\x95'],
  ['with a byte order mark', '\xef\xbb\xbf5'],
  ['with a no-break space', '5\xa0'],
  ['of 10,000 digits', '9'.repeat(10_000)],
  ['of 10,000 zeros', '0'.repeat(10_000)],
  ['infinite', 'Infinity'],
  ['with an n as of BigInt', '5n'],
  ['negative zero', '-0'],
  ['with a parameter', '5;q=1'],
  ['of two headers', '5\r\nUpload-Length: 6'],
  ['of two headers that agree', '5\r\nUpload-Length: 5'],
]

table(
  'Upload-Length',
  noLengths.map(
    ([name, length]): Case => ({
      name,
      ...refused,
      send: (g) => creation(g, [`Upload-Length: ${length}`]),
    }),
  ),
)

table('Content-Length', [
  {
    name: 'a plus before it',
    ...refused,
    mustClose: true,
    send: (g) => patch(g, ['Content-Length: +1'], 'c'),
  },
  {
    name: 'a space inside',
    ...refused,
    mustClose: true,
    send: (g) => patch(g, ['Content-Length: 1 0'], 'cdefghijkl'),
  },
  {
    name: 'empty',
    ...refused,
    mustClose: true,
    send: (g) => patch(g, ['Content-Length: '], 'c'),
  },
  {
    name: 'a list of two that agree',
    ...refused,
    mustClose: true,
    send: (g) => patch(g, ['Content-Length: 5, 5'], 'cdefg'),
  },
  {
    name: 'two that agree',
    ...refused,
    mustClose: true,
    send: (g) => patch(g, ['Content-Length: 5', 'Content-Length: 5'], 'cdefg'),
  },
  {
    name: 'two that differ: the longer one would hide a request',
    ...refused,
    mustClose: true,
    send: (g) => [
      signed(g, 'POST /files?filename=x', ['Content-Length: 0', `Content-Length: ${deletion(g).length}`]),
      deletion(g),
    ],
  },
  {
    name: '2^64: not taken for 0',
    ...refused,
    mustClose: true,
    send: (g) => [patch(g, ['Content-Length: 18446744073709551616']), deletion(g)],
  },
  {
    name: '2^63 - 1 for an upload of 10 bytes',
    status: [400, 413],
    code: ['INVALID_INPUT', 'PAYLOAD_TOO_LARGE'],
    mustClose: true,
    send: (g) => patch(g, ['Content-Length: 9223372036854775807'], 'c'),
    ending: 'end',
  },
  {
    name: '10,000 digits',
    ...refused,
    mustClose: true,
    send: (g) => patch(g, [`Content-Length: ${'1'.repeat(10_000)}`]),
  },
  {
    name: 'Arabic digits',
    ...refused,
    mustClose: true,
    send: (g) => patch(g, ['Content-Length: \xd9\xa1']),
  },
  {
    name: 'of another length than Content-Range says',
    ...refused,
    send: (g) =>
      signed(g, `PATCH /uploads/${g.receiving}`, ['Content-Range: bytes 2-4/10', 'Content-Length: 2'], 'cd'),
  },
  {
    name: 'of a one-shot, another than its size',
    ...refused,
    send: (g) => signed(g, 'POST /files?filename=x&size=6', [], 'abcde'),
  },
  {
    name: 'a body of JSON that ends early',
    ...refused,
    ending: 'end',
    send: (g) => [
      signed(g, 'POST /packages', ['Content-Type: application/json', 'Content-Length: 100']),
      '{"name',
    ],
  },
  {
    name: 'a body of JSON that is cut off: no answer, no package',
    status: 400,
    ending: 'destroy',
    send: (g) => [
      signed(g, 'POST /packages', ['Content-Type: application/json', 'Content-Length: 100']),
      '{"name":"x"}',
    ],
  },
  {
    name: 'a one-shot that is cut off: nothing is kept',
    status: 400,
    ending: 'destroy',
    send: (g) => [signed(g, 'POST /files?filename=x', ['Content-Length: 100000']), 'x'.repeat(70_000), 50],
  },
  {
    name: 'shorter than the body: what is left over is no request',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    more: [refused],
    mustClose: true,
    send: (g) => [
      signed(g, 'POST /uploads/none/complete', ['Content-Length: 2']),
      '{}',
      100,
      `{"x":1}${deletion(g)}`,
    ],
  },
  {
    name: 'none: what follows is the next request, and no body',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    more: [refused],
    mustClose: true,
    send: (g) => [
      signed(g, 'POST /uploads', ['Content-Type: text/plain']),
      100,
      `{"a":"b"}\r\n${deletion(g)}`,
    ],
  },
])

table('what is told of a length twice', [
  {
    name: 'Upload-Length and Upload-Defer-Length',
    ...refused,
    send: (g) => creation(g, ['Upload-Length: 5', 'Upload-Defer-Length: 1']),
  },
  {
    name: 'Upload-Length in a JSON session',
    status: 412,
    code: 'UNSUPPORTED_VERSION',
    send: (g) => json(g, 'POST /uploads', { filename: 'x', size: 5 }, ['Upload-Length: 6']),
  },
  {
    name: 'a size in the query and in the form',
    ...refused,
    send: (g) =>
      signed(
        g,
        'POST /files?size=1',
        ['Content-Type: multipart/form-data; boundary=b'],
        '--b\r\nContent-Disposition: form-data; name="size"\r\n\r\n1\r\n' +
          '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nx\r\n--b--\r\n',
      ),
  },
  {
    name: 'a body longer than the upload it begins',
    status: 413,
    code: 'PAYLOAD_TOO_LARGE',
    send: (g) => creation(g, ['Upload-Length: 1', OFFSET_STREAM], 'abc'),
  },
  {
    name: 'a final upload with a length',
    ...refused,
    send: (g) => creation(g, [`Upload-Concat: final;/uploads/${g.ready.id}`, 'Upload-Length: 5']),
  },
  {
    name: 'a final upload of 300 parts that are not there',
    status: 404,
    code: 'NOT_FOUND',
    send: (g) => creation(g, [`Upload-Concat: final;${'/uploads/0 '.repeat(300).trim()}`]),
  },
])
