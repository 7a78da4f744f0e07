// Offsets, ranges of bodies and checksums that don't fit what is there: 2 bytes of 10 have arrived.

import { type Case, type Ground, hostileGround, json, OFFSET_STREAM, signed, TUS } from './harness.js'

const { table } = hostileGround()

const refused = { status: 400, code: 'INVALID_INPUT' } as const
const mismatch = { status: 409, code: 'OFFSET_MISMATCH' } as const
const tooLarge = { status: 413, code: 'PAYLOAD_TOO_LARGE' } as const

const patch = (g: Ground, headers: readonly string[], body = 'c', id = g.receiving) =>
  signed(g, `PATCH /uploads/${id}`, [TUS, OFFSET_STREAM, ...headers], body)

const range = (g: Ground, contentRange: string, body = 'cd', id = g.receiving) =>
  signed(g, `PATCH /uploads/${id}`, [`Content-Range: ${contentRange}`], body)

const noOffsets: readonly [string, string][] = [
  ['with a tab inside', '\t2\t2'],
  ['in Arabic digits', '\xd9\xa2'],
  ['in fullwidth digits', '\xef\xbc\x92'],
  ['with a byte order mark', '\xef\xbb\xbf2'],
  ['of 10,000 digits', '2'.repeat(10_000)],
  ['that is NaN', 'NaN'],
  ['infinite', '-Infinity'],
  ['with an n', '2n'],
  ['with an underscore', '0_2'],
  ['in octal', '0o2'],
  ['in binary', '0b10'],
  ['with a fraction of zero', '2.0'],
  ['negative zero', '-0'],
  ['of two headers', '2\r\nUpload-Offset: 3'],
  ['of two headers that agree', '2\r\nUpload-Offset: 2'],
  ['of a header whose name is spelt twice', '2\r\nUPLOAD-OFFSET: 2'],
]

table(
  'Upload-Offset',
  noOffsets.map(
    ([name, offset]): Case => ({
      name,
      ...refused,
      send: (g) => patch(g, [`Upload-Offset: ${offset}`]),
    }),
  ),
)

table('where bytes go', [
  {
    name: 'behind the end',
    ...mismatch,
    check: ({ headers }) => {
      if (headers['upload-offset'] !== '2') throw new Error('The answer must name the offset.')
    },
    send: (g) => patch(g, ['Upload-Offset: 11']),
  },
  { name: 'at 2^53 - 1', ...mismatch, send: (g) => patch(g, ['Upload-Offset: 9007199254740991']) },
  { name: 'at 2^53', ...refused, send: (g) => patch(g, ['Upload-Offset: 9007199254740992']) },
  {
    name: 'over 2^32, which isn’t 2',
    ...mismatch,
    send: (g) => patch(g, ['Upload-Offset: 4294967298']),
  },
  {
    name: 'over 2^64, which isn’t 2',
    ...refused,
    send: (g) => patch(g, ['Upload-Offset: 18446744073709551618']),
  },
  {
    name: 'of an upload that is ready: over its first bytes',
    ...mismatch,
    send: (g) => patch(g, ['Upload-Offset: 0'], 'evil', g.ready.id),
  },
  {
    name: 'of an upload that is ready: behind its last',
    ...tooLarge,
    send: (g) => patch(g, ['Upload-Offset: 1000'], 'evil', g.ready.id),
  },
  {
    name: 'more than are missing',
    ...tooLarge,
    send: (g) => patch(g, ['Upload-Offset: 2'], 'x'.repeat(9)),
  },
  {
    name: 'with another length than was told',
    ...refused,
    send: (g) => patch(g, ['Upload-Offset: 2', 'Upload-Length: 11']),
  },
  {
    name: 'by POST',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    send: (g) => signed(g, `POST /uploads/${g.receiving}`, [TUS, OFFSET_STREAM, 'Upload-Offset: 2'], 'c'),
  },
  {
    name: 'by PUT',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    send: (g) => signed(g, `PUT /uploads/${g.receiving}`, [TUS, OFFSET_STREAM, 'Upload-Offset: 2'], 'c'),
  },
  {
    name: 'with an offset, but without a word of tus',
    status: 412,
    code: 'UNSUPPORTED_VERSION',
    send: (g) => signed(g, `PATCH /uploads/${g.receiving}`, [OFFSET_STREAM, 'Upload-Offset: 2'], 'c'),
  },
  {
    name: 'compressed',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    send: (g) => patch(g, ['Upload-Offset: 2', 'Content-Encoding: gzip'], '\x1f\x8b\x08'),
  },
  {
    name: 'compressed, by Content-Range',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    send: (g) =>
      signed(
        g,
        `PATCH /uploads/${g.receiving}`,
        ['Content-Range: bytes 2-4/10', 'Content-Encoding: br'],
        '\x1f\x8b\x08',
      ),
  },
  {
    name: 'as a one-shot, compressed',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    send: (g) => signed(g, 'POST /files?filename=x', ['Content-Encoding: gzip'], '\x1f\x8b\x08'),
  },
])

const noRanges: readonly [string, string][] = [
  ['backwards', 'bytes 3-2/10'],
  ['with a negative start', 'bytes -2-3/10'],
  ['without an end', 'bytes 2-/10'],
  ['without a size', 'bytes 2-3'],
  ['that is not satisfied', 'bytes */10'],
  ['behind its own size', 'bytes 2-3/3'],
  ['with a size of 2^53', 'bytes 2-3/9007199254740992'],
  ['that ends at 2^53 - 1', 'bytes 2-9007199254740991/*'],
  ['in another unit', 'lines 2-3/10'],
  ['with leading zeros', 'bytes 02-03/10'],
  ['of several', 'bytes 2-3/10, 4-5/10'],
  ['of two headers', 'bytes 2-3/10\r\nContent-Range: bytes 4-5/10'],
  ['in Arabic digits', 'bytes \xd9\xa2-\xd9\xa3/10'],
  ['of 10,000 digits', `bytes 2-${'3'.repeat(10_000)}/*`],
  ['of another length than its body', 'bytes 2-4/10'],
  ['of another size than the upload', 'bytes 2-3/11'],
]

table(
  'Content-Range',
  noRanges.map(([name, contentRange]): Case => ({ name, ...refused, send: (g) => range(g, contentRange) })),
)

table('Content-Range, well-formed', [
  { name: 'before the offset', ...mismatch, send: (g) => range(g, 'bytes 0-1/10') },
  { name: 'behind the offset', ...mismatch, send: (g) => range(g, 'bytes 4-5/10') },
  { name: 'over what is ready', ...mismatch, send: (g) => range(g, 'bytes 0-1/1000', 'ab', g.ready.id) },
  {
    name: 'of a file larger than any may be',
    ...tooLarge,
    send: (g) => range(g, 'bytes 0-1/9007199254740991', 'ab', g.session),
  },
  {
    name: 'with tus, too: tus counts',
    ...mismatch,
    send: (g) => patch(g, ['Upload-Offset: 3', 'Content-Range: bytes 2-2/10']),
  },
  {
    name: 'a multipart/byteranges body',
    status: [400, 415],
    code: ['INVALID_INPUT', 'UNSUPPORTED_MEDIA_TYPE'],
    send: (g) =>
      signed(
        g,
        `PATCH /uploads/${g.receiving}`,
        ['Content-Range: bytes 2-4/10', 'Content-Type: multipart/byteranges; boundary=b'],
        '--b--\r\n',
      ),
  },
])

const noChecksums: readonly [string, string][] = [
  ['of an algorithm that nobody has', 'crc32 AAAAAA=='],
  ['of a name in another case', 'SHA1 2jmj7l5rSw0yVb/vlWAYkK/YBwk='],
  ['of __proto__', '__proto__ AAAA'],
  ['too short', 'sha1 AAAA'],
  ['too long', `sha1 ${Buffer.alloc(21).toString('base64')}`],
  ['in hex', 'sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  ['in base64url', `sha1 ${Buffer.alloc(20, 255).toString('base64url')}`],
  ['with bits left over', 'md5 1B2M2Y8AsgTpgAmY7PhCfh=='],
  ['of 10 kB', `md5 ${'A'.repeat(10_000)}`],
  ['without a digest', 'sha256'],
  ['of two headers', 'md5 1B2M2Y8AsgTpgAmY7PhCfg==\r\nUpload-Checksum: md5 1B2M2Y8AsgTpgAmY7PhCfg=='],
]

table(
  'Upload-Checksum',
  noChecksums.map(
    ([name, checksum]): Case => ({
      name,
      ...refused,
      send: (g) => patch(g, ['Upload-Offset: 2', `Upload-Checksum: ${checksum}`]),
    }),
  ),
)

table('checksums', [
  {
    name: 'of other bytes: what came is thrown away',
    status: 460,
    code: 'CHECKSUM_MISMATCH',
    send: (g) => patch(g, ['Upload-Offset: 2', 'Upload-Checksum: md5 1B2M2Y8AsgTpgAmY7PhCfg==']),
  },
  {
    name: 'of JSON that are none',
    ...refused,
    send: (g) => json(g, 'POST /uploads', { filename: 'x', checksums: { sha256: 'g'.repeat(64) } }),
  },
  {
    name: 'of a one-shot that are those of other bytes: nothing is kept but the report',
    ...refused,
    send: (g) => signed(g, `POST /files?filename=x&sha256=${'0'.repeat(63)}`, [], 'abc'),
  },
  {
    name: 'with a completion that comes too early',
    ...mismatch,
    send: (g) => json(g, `POST /uploads/${g.receiving}/complete`, { checksums: { md5: '0'.repeat(32) } }),
  },
])
