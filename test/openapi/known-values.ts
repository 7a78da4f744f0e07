// What fuzzing asks with where the document alone wouldn't get far: values that mean something, and values that mean ill.

import fc from '../support/properties.js'
import { seed } from './seeds.js'

export const KIBI = 1024

export const HOSTILE_TEXT = [
  ...[
    '',
    ' ',
    '0',
    '-0',
    '-1',
    '1e9',
    '007',
    '9007199254740993',
    '99999999999999999999999',
    'NaN',
    'null',
    'undefined',
  ],
  ...[
    'true',
    '[]',
    '{}',
    '*',
    '%',
    '%00',
    '..',
    '../..',
    '/etc/passwd',
    'C:\\x',
    '//',
    'a//b',
    './a',
    'a/.',
    'a/ /b',
  ],
  ...[
    "' OR 1=1 --",
    '$1',
    '{{7*7}}',
    '<script>',
    '&amp;',
    '"',
    '`',
    '\\',
    '\\u0000',
    '__proto__',
    'constructor',
    'toString',
  ],
  ...['a'.repeat(200), 'a'.repeat(201), 'a'.repeat(1025), 'é'.repeat(600), 'x'.repeat(4 * KIBI)],
  // Look-alikes: NFC and NFD, ligature, right-to-left, zero width, astral, combining without end.
  ...[
    'caf\u00e9',
    'cafe\u0301',
    '\ufb01le',
    '\u202etxt.exe',
    '\u200b',
    '😀',
    `e${'\u0301'.repeat(300)}`,
    '\ufeff',
    '\ufffe',
  ],
  ...[
    '2027-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59+00:00',
    '2027-02-30T00:00:00Z',
    '2027-01-01',
  ],
]

/** What only JSON can carry: the others need bytes that no URL and no header has. */
export const HOSTILE_VALUES: unknown[] = [
  ...['a\u0000b', '\ud800', 'line\nbreak', '\u0085', '\u007f', 'x'.repeat(KIBI * KIBI)],
  ...[null, true, 0, -0, -1, 0.5, 1e308, 2 ** 53, -(2 ** 53), [], {}, [[]], [null], { a: {} }],
  JSON.parse('{"__proto__": {"a": 1}}'),
]

export const HOSTILE_JSON: readonly (string | Buffer)[] = [
  ...[
    '',
    ' ',
    '{',
    '}',
    'null',
    'true',
    '[]',
    '{}',
    '""',
    '0',
    '-',
    '1e999',
    '{"a":1,"a":2}',
    '{"a":}',
    "{'a':1}",
    'undefined',
  ],
  ...['['.repeat(10_000), '{"a":'.repeat(10_000), `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
  `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  JSON.stringify({ filename: 'x'.repeat(KIBI * KIBI), name: 'x', url: 'x' }),
  ...[Buffer.from([0xff, 0xfe, 0x00]), Buffer.from('\ufeff{}'), Buffer.from('{"name":"a"}', 'utf16le')],
]

const EML = (inside: string) =>
  `<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="a.1.1" system="s"><dataset><title>t</title>${inside}</dataset></eml:eml>`

export const XML = [
  EML(''),
  EML('<otherEntity><entityName>in.csv</entityName></otherEntity>'),
  EML('<otherEntity><physical><objectName>in.csv</objectName></physical></otherEntity>'),
]

export const HOSTILE_XML = [
  ...['', '<', '<a/>', EML('<a>'), EML('<a>'.repeat(10_000)), EML('&undefined;'), EML('\u0000')],
  `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${EML('&x;')}`,
  `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>${EML('&b;')}`,
  `<?xml version="1.0" encoding="UTF-16"?>${EML('')}`,
]

export const ACCEPTS = [
  ...[
    '*/*',
    'application/json',
    'application/cbor',
    'text/event-stream',
    'application/xml',
    'text/html',
    'image/png',
  ],
  ...[
    'application/json;q=0',
    'application/json;q=0.1, application/cbor',
    ';;;,,',
    'a/b;q=x',
    '*',
    'x'.repeat(1000),
  ],
]

export const MEDIA_TYPES = [
  ...[
    'application/json',
    'application/json; charset=utf-8',
    'application/json; charset=x',
    'application/merge-patch+json',
  ],
  ...[
    'application/offset+octet-stream',
    'application/octet-stream',
    'text/plain',
    'application/xml',
    'text/xml',
    'text/csv',
  ],
  ...[
    'multipart/form-data',
    'multipart/form-data; boundary=b',
    'multipart/mixed; boundary=b',
    'application/x-www-form-urlencoded',
  ],
  ...['', 'json', '/', 'a/b; c', 'APPLICATION/JSON', 'application/cbor'],
]

export const time = fc.constantFrom(
  '2027-01-01T00:00:00Z',
  '2026-12-24T18:00:00.5+02:00',
  '2030-01-01T00:00:00Z',
  '2020-01-01T00:00:00Z',
)

const RELATIVE_PATHS = [
  'a.csv',
  'data/a.csv',
  'data/b.csv',
  'd\u00e4ta/\u00e4.csv',
  'da\u0308ta/a\u0308.csv',
  'x/y/z.txt',
]

function mostly(right: string, wrong: string): fc.Arbitrary<string> {
  return fc.constantFrom(right, right, right, right, right, wrong)
}

/** Members and parameters that mean something which must be there. */
export const VALUES: Record<string, fc.Arbitrary<string | number>> = {
  package_id: seed('packages'),
  cursor: seed('cursors'),
  label: fc.constantFrom('lake', 'river', 'caf\u00e9', 'cafe\u0301'),
  filename: fc.constantFrom('a.csv', 'b.csv', 'w\u00e4rme.csv', 'a/b.csv', '..', '.'),
  relative_path: fc.constantFrom(...RELATIVE_PATHS),
  // Nothing is to leave this machine: where webhooks lead, nobody listens.
  url: fc.oneof(
    { weight: 3, arbitrary: fc.constant('http://127.0.0.1:9/hook') },
    fc.constantFrom(
      'http://[::1]:9/',
      'http://10.0.0.1:9/',
      'file:///etc/passwd',
      'http://u:p@127.0.0.1/',
      'http://',
    ),
  ),
  secret: fc.constantFrom(
    'a secret of 24 letters..',
    'whsec_bXkgc2VjcmV0IG15IHNlY3JldCBteSBzZWNyZXQ=',
    'short',
  ),
  // A fuzz of a minute can't wait a minute.
  wait: fc.constantFrom(0, 0, 0, 1),
  size: fc.constantFrom(3, 3, 3, 3, 0, 10, 2 ** 50),
  // Of abc, or not.
  md5: mostly('900150983cd24fb0d6963f7d28e17f72', 'f'.repeat(32)),
  sha1: mostly('A9993E364706816ABA3E25717850C26C9CD0D89D', '0'.repeat(40)),
  sha256: mostly('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'a'.repeat(64)),
  retention_class: fc.constantFrom('staging', 'short', 'permanent', 'none'),
}

export const HEADER_VALUES: Record<string, fc.Arbitrary<string>> = {
  'Tus-Resumable': fc.constantFrom('1.0.0', '1.0.0', '0.2.2'),
  'Upload-Length': fc.constantFrom('0', '3', '10', '102400'),
  'Upload-Offset': fc.constantFrom('0', '3', '10'),
  'Upload-Metadata': fc.oneof(
    fc.constantFrom('filename YS5jc3Y=', 'filename YS5jc3Y=,label bGFrZQ==', 'finalize bWFudWFs'),
    fc.constantFrom('relativePath Li4vLi4=', 'filename AAAA', 'filename', 'a a,a a', 'sha256 YWJj'),
  ),
  'Upload-Concat': fc.oneof(
    { weight: 3, arbitrary: fc.constant('partial') },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'final;',
        'final',
        'partial;/uploads/x',
        'final;/uploads/x http://example.org/uploads/y',
      ),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(seed('uploads'), seed('uploads'))
        .map(([a, b]) => `final;/uploads/${a} /uploads/${b}`),
    },
  ),
  'Upload-Checksum': fc.constantFrom(
    'sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=',
    'sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=',
    'sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    'md5 kAFQmDzST7DWlj99KOF/cg==',
    'crc32 AAAA',
  ),
  'Content-Range': fc.constantFrom(
    'bytes 0-2/3',
    'bytes 0-9/10',
    'bytes 0-2/*',
    'bytes 3-9/10',
    'bytes */10',
    'bytes 5-1/10',
    'items 0-1/2',
  ),
  Range: fc.constantFrom(
    'bytes=0-0',
    'bytes=-1',
    'bytes=2-',
    'bytes=99-',
    'bytes=0-0,2-2',
    'bytes=3-1',
    'lines=1-2',
    'bytes=-0',
  ),
  'If-None-Match': fc.oneof(
    fc.constantFrom('*', '""', 'W/"a"', 'x', '"a", "b"'),
    seed('contents').map((sha256) => `"${sha256}"`),
  ),
  'If-Range': fc.constantFrom('"a"', 'Sat, 21 Nov 2026 00:00:00 GMT', 'yesterday'),
  Prefer: fc.constantFrom('respond-async', 'respond-async, wait=10', 'return=minimal', ';;;'),
}

const FILE_PART =
  '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\nabc\r\n'

export const MULTIPART = fc.constantFrom(
  `${FILE_PART}--b--\r\n`,
  `${FILE_PART}--b--\r\n`,
  `${FILE_PART}--b--\r\n`,
  `${FILE_PART}--b--\r\n`,
  `${FILE_PART}--b--\r\n`,
  `${FILE_PART}${FILE_PART}--b--\r\n`,
  `--b\r\nContent-Disposition: form-data; name="relative_path"\r\n\r\ndata/a.csv\r\n${FILE_PART}--b--\r\n`,
  `--b\r\nContent-Disposition: form-data; name="stranger"\r\n\r\nx\r\n${FILE_PART}--b--\r\n`,
  FILE_PART,
  FILE_PART.replace('name="file"', 'name="data"'),
  FILE_PART.replace('Content-Disposition: form-data; ', ''),
  '--b--\r\n',
  '--c\r\n',
  '',
)
