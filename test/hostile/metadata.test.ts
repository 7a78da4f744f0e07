// What is said of files and packages: names, labels, metadata, JSON that two readers could read differently.

import { expect } from '@jest/globals'
import { writeMetadata } from '../dialects/tus-client.js'
import { type Case, type Ground, hostileGround, json, signed, TUS } from './harness.js'

const { table } = hostileGround()

const refused = { status: 400, code: 'INVALID_INPUT' } as const

const creation = (g: Ground, metadata: string) =>
  signed(g, 'POST /uploads', [TUS, 'Upload-Length: 5', `Upload-Metadata: ${metadata}`])

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64')

const noMetadata: readonly [string, string][] = [
  ['Base64 with a newline inside it', `filename ${base64('a')}\t${base64('b')}`],
  ['base64url', `filename ${Buffer.from('ÿþ?>').toString('base64url')}`],
  ['Base64 with something behind its padding', 'filename YQ==YQ=='],
  ['padding alone', 'filename ===='],
  ['a key twice', 'label YQ==,label Yg=='],
  ['a key twice, with and without a value', 'label YQ==,label'],
  ['a known key twice under its two names’ padding', 'filename YQ==,  filename Yg=='],
  ['no key', 'filename YQ==, YQ=='],
  ['commas alone', ',,,,'],
  ['a key of bytes over 127', 'n\xe4me YQ=='],
  ['a key with a comma', 'a,b YQ==,c,,'],
  ['100,000 keys', `${Array.from({ length: 1500 }, (_, i) => `k${i} YQ==`).join(',')},`],
  ['a label that is no UTF-8', writeMetadata({ label: Buffer.from([0xc3, 0x28]) })],
  ['a name in overlong UTF-8', writeMetadata({ filename: Buffer.from([0x2e, 0xc0, 0xaf]) })],
  ['a name with a surrogate', writeMetadata({ filename: Buffer.from([0xed, 0xa0, 0x80]) })],
  ['a name with NUL', writeMetadata({ filename: 'a\0.html' })],
  ['a name with CR and LF', writeMetadata({ filename: 'a\r\nContent-Type: text/html' })],
  ['a name with ESC', writeMetadata({ filename: '\x1b[2Ja' })],
  ['a name with DEL', writeMetadata({ filename: 'a\x7f' })],
  ['a name with a C1 control', writeMetadata({ filename: 'a\u0085b' })],
  ['a name of 1,025 bytes', writeMetadata({ filename: 'x'.repeat(1025) })],
  ['a name of 350 characters that are 1,050 bytes', writeMetadata({ filename: '湖'.repeat(350) })],
  ['a name that grows under NFC', writeMetadata({ filename: '\u{1d160}'.repeat(100) })],
  ['a label of 10 kB', writeMetadata({ label: 'x'.repeat(10_000) })],
  ['a path that leaves', writeMetadata({ relativePath: '../x' })],
  ['a path that leaves in the middle', writeMetadata({ relativePath: 'a/../../x' })],
  ['a path that leaves by backslashes', writeMetadata({ relativePath: '..\\x' })],
  ['a path from the root', writeMetadata({ relativePath: '/etc/passwd' })],
  ['a path of a drive', writeMetadata({ relativePath: 'C:\\x' })],
  ['a path of dots', writeMetadata({ relativePath: 'a/./b' })],
  ['a path with nothing between slashes', writeMetadata({ relativePath: 'a//b' })],
  ['a path that ends in a slash', writeMetadata({ relativePath: 'a/' })],
  ['a path with NUL', writeMetadata({ relativePath: 'a\0/b' })],
  ['a path with a newline', writeMetadata({ relativePath: 'a\n/b' })],
  ['a path of 100 kB', writeMetadata({ relativePath: 'x/'.repeat(5000) })],
  ['a digest that is none', writeMetadata({ sha256: 'z'.repeat(64) })],
  ['a digest in Arabic digits', writeMetadata({ md5: '٠'.repeat(32) })],
  ['a way to finish that there is not', writeMetadata({ finalize: '__proto__' })],
]

table(
  'Upload-Metadata',
  noMetadata.map(([name, metadata]): Case => ({ name, ...refused, send: (g) => creation(g, metadata) })),
)

table('Upload-Metadata, refused elsewhere', [
  {
    name: '100 kB',
    status: [401, 431],
    send: (g) => creation(g, writeMetadata({ filename: 'x'.repeat(75_000) })),
    mustClose: true,
  },
  {
    name: 'a package that isn’t there',
    status: 404,
    code: 'NOT_FOUND',
    send: (g) => creation(g, writeMetadata({ packageId: '../../packages' })),
  },
  {
    name: 'a package whose name is a statement',
    status: 404,
    code: 'NOT_FOUND',
    send: (g) => creation(g, writeMetadata({ packageId: `' OR 1=1 --` })),
  },
  {
    name: 'a package with NUL, which Postgres can’t hold',
    ...refused,
    send: (g) => creation(g, writeMetadata({ packageId: 'a\0' })),
  },
])

const session = (body: unknown, name: string): Case => ({
  name,
  ...refused,
  send: (g) => json(g, 'POST /uploads', body),
})

table('JSON of a session', [
  session('', 'nothing'),
  session('null', 'null'),
  session('"filename"', 'a text'),
  session('[]', 'a list'),
  session('[{"filename":"x"}]', 'a list of one'),
  session('{"filename":"x"', 'cut'),
  session('{"filename":"x"}}', 'with a brace too many'),
  session('{"filename":"x",}', 'with a comma too many'),
  session("{'filename':'x'}", 'in single quotes'),
  session('{"filename":"x"/**/}', 'with a comment'),
  session('{filename:"x"}', 'with a bare name'),
  session('{"filename":"x\ny"}', 'with a newline in a text'),
  session('{"filename":NaN}', 'NaN'),
  session('{"filename":"x","size":NaN}', 'a size of NaN'),
  session('{"filename":"x","size":1e400}', 'a size past every number'),
  session('{"filename":"x","size":-1}', 'a negative size'),
  session('{"filename":"x","size":-0.5}', 'a negative fraction'),
  session('{"filename":"x","size":1.5}', 'a fraction'),
  session('{"filename":"x","size":9007199254740993}', 'a size over 2^53'),
  session('{"filename":"x","size":1e300}', 'a size of 1e300'),
  session('{"filename":"x","size":"5"}', 'a size as text'),
  session('{"filename":"x","size":true}', 'a size that is true'),
  session('{"filename":"x","size":[5]}', 'a size in a list'),
  session('{"filename":"x","size":{"valueOf":5}}', 'a size that would be one'),
  session('{"filename":"x","size":0x10}', 'a size in hex'),
  session('{"filename":"x","size":05}', 'a size with a zero before it'),
  session('{"filename":["x"]}', 'a name in a list'),
  session('{"filename":{"toString":"x"}}', 'a name that would be one'),
  session('{"filename":""}', 'an empty name'),
  session('{"filename":"\\ud800"}', 'half a surrogate pair'),
  session('{"filename":"\\udc00\\ud800"}', 'a pair of surrogates the wrong way round'),
  session('{"filename":"a\\u0000b"}', 'an escaped NUL'),
  session('{"filename":"a\\r\\nb"}', 'escaped CR and LF'),
  session('{"filename":"\\u202e\\u0007"}', 'a bell'),
  session({ filename: 'x', label: 'y'.repeat(1025) }, 'a long label'),
  session({ filename: 'x', unknown: 1 }, 'a member that nobody knows'),
  session('{"filename":"x","__proto__":{"size":5}}', 'a prototype'),
  session('{"filename":"x","constructor":{"prototype":{"size":5}}}', 'a constructor'),
  session({ filename: 'x', relative_path: '../../etc/cron.d/x' }, 'a path that leaves'),
  session({ filename: 'x', content_type: 'text/html\r\nX: y' }, 'a type with CR and LF'),
  session({ filename: 'x', content_type: 'text/html; charset="\x07"' }, 'a type with a control character'),
  session({ filename: 'x', content_type: 'html' }, 'a type that is none'),
  session({ filename: 'x', checksums: { __proto__: null, crc: '1' } }, 'a checksum that nobody knows'),
  session({ filename: 'x', checksums: [] }, 'checksums in a list'),
  session(`{"filename":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'nested 20,000 deep'),
  session(`${'{"filename":'.repeat(4000)}1${'}'.repeat(4000)}`, 'objects 4,000 deep'),
  session(Buffer.from([0xff, 0xfe, 0x7b, 0x00]).toString('latin1'), 'UTF-16'),
  session('\ufeff\ufeff{"filename":"x"}', 'two byte order marks'),
])

table('JSON, as bytes', [
  {
    name: 'over the limit of 64 kB',
    status: 413,
    code: 'PAYLOAD_TOO_LARGE',
    send: (g) => json(g, 'POST /uploads', { filename: 'x', note: 'y'.repeat(70_000) }),
  },
  {
    name: 'over the limit, in chunks',
    status: 413,
    code: 'PAYLOAD_TOO_LARGE',
    send: (g) =>
      signed(
        g,
        'POST /uploads',
        ['Content-Type: application/json', 'Transfer-Encoding: chunked'],
        `13880\r\n${'x'.repeat(80_000)}\r\n0\r\n\r\n`,
      ),
  },
  {
    name: 'a charset that nobody knows',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    send: (g) =>
      signed(g, 'POST /uploads', ['Content-Type: application/json; charset=evil'], '{"filename":"x"}'),
  },
  {
    name: 'a coding that nobody knows',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    send: (g) =>
      signed(
        g,
        'POST /uploads',
        ['Content-Type: application/json', 'Content-Encoding: evil'],
        '{"filename":"x"}',
      ),
  },
  {
    name: 'gzip that is none',
    status: [400, 415],
    code: ['INVALID_INPUT', 'UNSUPPORTED_MEDIA_TYPE'],
    send: (g) =>
      signed(
        g,
        'POST /uploads',
        ['Content-Type: application/json', 'Content-Encoding: gzip'],
        '{"filename":1}',
      ),
  },
  ...(
    [
      ['text/plain', 'text/plain'],
      ['a form', 'application/x-www-form-urlencoded'],
      ['a form with parts', 'multipart/form-data; boundary=x'],
      ['JSON by suffix', 'application/vnd.evil+json'],
      ['JSON and text in one', 'text/plain, application/json'],
      ['JSON with a comma behind it', 'application/json,text/plain'],
      ['nothing', ''],
    ] as const
  ).map(
    ([name, type]): Case => ({
      name: `a session that says it is ${name}, as a page of another site could send`,
      status: [400, 415],
      code: ['INVALID_INPUT', 'UNSUPPORTED_MEDIA_TYPE'],
      send: (g) => signed(g, 'POST /uploads', [`Content-Type: ${type}`], '{"filename":"x"}'),
    }),
  ),
])

const merge = (body: unknown, name: string): Case => ({
  name,
  ...refused,
  send: (g) =>
    signed(
      g,
      `PATCH /uploads/${g.ready.id}`,
      ['Content-Type: application/merge-patch+json'],
      typeof body === 'string' ? body : JSON.stringify(body),
    ),
})

table('changes', [
  {
    ...merge('', 'nothing'),
    status: [400, 415],
    code: ['INVALID_INPUT', 'UNSUPPORTED_MEDIA_TYPE'],
  },
  merge('null', 'null, which would be the end of it'),
  merge('[]', 'a list'),
  merge({ owner: 'stranger' }, 'another owner'),
  merge({ id: '0'.repeat(40) }, 'another id'),
  merge({ state: 'receiving' }, 'another state'),
  merge({ sha256: '0'.repeat(64) }, 'another digest'),
  merge({ retrieval_url: null }, 'no retrieval URL'),
  merge({ package_id: 'x' }, 'another package'),
  merge('{"__proto__":{"label":"x"}}', 'a prototype'),
  merge('{"note":"a","owner":"b"}', 'one that is known and one that isn’t: neither is done'),
  merge({ label: '\u0000' }, 'a label with NUL'),
  merge({ label: ['a'] }, 'a label in a list'),
  merge({ note: 'x'.repeat(1001) }, 'a long note'),
  merge({ note: '\ud800' }, 'a note with half a pair'),
  merge({ expires_at: null }, 'no end'),
  merge({ expires_at: '2000-01-01T00:00:00Z' }, 'an end that is past'),
  merge({ expires_at: '9999-12-31T23:59:59Z' }, 'an end that never comes'),
  merge({ expires_at: '2027-02-30T00:00:00Z' }, 'a day that isn’t'),
  merge({ expires_at: '+275760-09-13T00:00:00Z' }, 'the last day of JavaScript'),
  merge({ expires_at: 4102444800 }, 'a number of seconds'),
])

const inPackage = (body: unknown, name: string): Case => ({
  name,
  ...refused,
  send: (g) => json(g, 'POST /packages', body),
})

table('packages', [
  inPackage({}, 'no name'),
  inPackage({ name: ' ' }, 'a blank name'),
  inPackage({ name: 'x', retention_class: '__proto__' }, 'a class that is a prototype'),
  inPackage({ name: 'x', retention_class: 'constructor' }, 'a class that is a constructor'),
  inPackage({ name: 'x', metadata: [] }, 'metadata in a list'),
  inPackage({ name: 'x', metadata: 'y' }, 'metadata as text'),
  inPackage('{"name":"x","metadata":{"__proto__":1}}', 'metadata of a prototype'),
  inPackage('{"name":"x","metadata":{"a":9007199254740993}}', 'a number that JSON would change'),
  inPackage('{"name":"x","metadata":{"a":1e999}}', 'a number past every number'),
  inPackage('{"name":"x","metadata":{"a\\u0000":1}}', 'a key with NUL'),
  inPackage('{"name":"x","metadata":{"a":"\\u0000"}}', 'a value with NUL'),
  inPackage('{"name":"x","metadata":{"a":"\\ud800"}}', 'a value with half a pair'),
  inPackage(
    `{"name":"x","metadata":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`,
    'metadata 10,000 deep',
  ),
  inPackage({ name: 'x', metadata: { ['k'.repeat(10_000)]: 1 } }, 'a key of 10 kB'),
  inPackage({ name: 'x', metadata: { a: 'v'.repeat(100_000) } }, 'a value of 100 kB'),
  inPackage({ name: 'x', label: '湖'.repeat(400) }, 'a label that no index holds'),
])

/** Readers may take the first one or the last one. Here it is the last one, for every check and for what is done. */
table('members twice', [
  session('{"filename":"x","filename":1}', 'a name'),
  session('{"filename":"x","size":1,"size":-1}', 'a size'),
  session('{"filename":"x","\\u0066ilename":1}', 'a name, once in escapes'),
  session('{"filename":"x","size":1,"size":null}', 'a size, and null'),
  merge('{"note":"a","note":1}', 'a note'),
  inPackage('{"name":"x","metadata":{"a":1},"metadata":[]}', 'metadata'),
])

table('names that are kept harmless', [
  ...(
    [
      ['markup', '<img src=x onerror=alert(1)>.csv'],
      ['text that turns around', 'gpj.\u202excs'],
      ['text in isolates', '\u2066evil\u2069.csv'],
      ['separators of lines', 'a\u2028b\u2029c.csv'],
      ['tags that nobody sees', 'a\u{e0041}\u{e0042}.csv'],
      ['a reserved name of Windows', 'CON'],
      ['a hidden file', '.htaccess'],
    ] as const
  ).map(
    ([name, given]): Case => ({
      name: `${name}: as a search that finds nothing`,
      status: 200,
      check: ({ body }) => expect(JSON.parse(body.toString()).items).toEqual([]),
      send: (g) => signed(g, `GET /uploads?q=${encodeURIComponent(given)}`),
    }),
  ),
])
