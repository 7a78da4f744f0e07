// Ids that aren't, ids of something else, and ids of what is somebody else's: all of them look like what never was.

import { expect } from '@jest/globals'
import type { Answer } from '../dialects/exchange.js'
import { anonymous, type Case, type Ground, hostileGround, json, signed, TUS } from './harness.js'
import { Wire } from './wire.js'

const { table } = hostileGround()

const unknown = { status: 404, code: 'NOT_FOUND' } as const
const refused = { status: 400, code: 'INVALID_INPUT' } as const

/** Segments of a path, as they go over the wire. */
const noIds: readonly [string, string, 'unknown' | 'malformed'][] = [
  ['..%2f', '..%2f..%2f..%2fetc%2fpasswd', 'unknown'],
  ['..%5c', '..%5c..%5cwindows%5cwin.ini', 'unknown'],
  ['dots in twos escapes', '%252e%252e%252fetc', 'unknown'],
  ['%2e%2e', '%2e%2e', 'unknown'],
  ['a NUL', '%00', 'unknown'],
  ['a NUL behind an id', '~receiving~%00.csv', 'unknown'],
  ['an id with a slash behind it, escaped', '~receiving~%2f', 'unknown'],
  ['an id with a space behind it', '~receiving~%20', 'unknown'],
  ['an id with a newline behind it', '~receiving~%0a', 'unknown'],
  ['an id with a semicolon behind it', '~receiving~;x=1', 'unknown'],
  ['a slash in overlong UTF-8', '..%c0%af..%c0%afetc', 'malformed'],
  ['a NUL in overlong UTF-8', '%c0%80', 'malformed'],
  ['a surrogate in UTF-8', '%ed%a0%80', 'malformed'],
  ['half a character', '%e2%82', 'malformed'],
  ['no UTF-8', '%ff%fe', 'malformed'],
  ['an escape that is none', '%zz', 'malformed'],
  ['an escape of IIS', '%u002e%u002e', 'malformed'],
  ['a percent sign at the end', 'abc%', 'malformed'],
  ['raw bytes over 127', '\xe6\xb9\x96', 'malformed'],
  ['10 kB', 'a'.repeat(10_000), 'unknown'],
  ['10 kB of escapes', '%41'.repeat(3_400), 'unknown'],
  ['uppercase hex', '~RECEIVING~', 'unknown'],
  ['fullwidth digits', '%ef%bc%90'.repeat(40), 'unknown'],
  ['Arabic digits', '%d9%a0'.repeat(40), 'unknown'],
  ["SQL's quote", "'%20OR%20'1'='1", 'unknown'],
  ["SQL's end", "x';DROP%20TABLE%20uploads;--", 'unknown'],
  ["SQL's wildcards", '%25', 'unknown'],
  ['a number', '1', 'unknown'],
  ['a negative number', '-1', 'unknown'],
  ['a number over 2^64', '99999999999999999999', 'unknown'],
  ['undefined', 'undefined', 'unknown'],
  ['[object Object]', '%5bobject%20Object%5d', 'unknown'],
  ['__proto__', '__proto__', 'unknown'],
  ['constructor', 'constructor', 'unknown'],
  ['a template', '$%7b7*7%7d%7b%7b7*7%7d%7d', 'unknown'],
  ['a shell command', '$(id)%60id%60%7cid', 'unknown'],
  ['markup', '%3Cscript%3Ealert(1)%3C%2Fscript%3E', 'unknown'],
  ['CR and LF', '%0d%0aSet-Cookie:%20a=b', 'unknown'],
]

/** What an id stands in; `@` is its place. */
const places: readonly [string, (g: Ground, path: string) => Uint8Array, string][] = [
  ['an upload', (g, path) => signed(g, `GET ${path}`), '/uploads/@'],
  [
    'bytes for an upload',
    (g, path) =>
      signed(
        g,
        `PATCH ${path}`,
        [TUS, 'Upload-Offset: 2', 'Content-Type: application/offset+octet-stream'],
        'c',
      ),
    '/uploads/@',
  ],
  ['the end of an upload', (g, path) => signed(g, `DELETE ${path}`), '/uploads/@'],
  ['a package', (g, path) => signed(g, `GET ${path}`), '/packages/@'],
  ['the end of a package', (g, path) => signed(g, `POST ${path}`), '/packages/@/finalize'],
  ['a manifest', (g, path) => signed(g, `GET ${path}`), '/packages/@/manifest'],
  ['a file', (g, path) => signed(g, `GET ${path}`), '/files/@'],
  ['a retrieval', (_, path) => anonymous(`GET ${path}`), '/r/@/name.csv'],
  ['a key', (g, path) => signed(g, `DELETE ${path}`), '/api-keys/@'],
  ['a webhook', (g, path) => signed(g, `GET ${path}`), '/webhooks/@'],
]

const filled = (g: Ground, path: string) =>
  path.replace('~receiving~', g.receiving).replace('~RECEIVING~', g.receiving.toUpperCase())

// Every id in the first places, where most can go wrong; in each of the others every third, so that all of them come up.
for (const [place, [title, send, path]] of places.entries()) {
  table(
    `as the id of ${title}`,
    noIds
      .filter((_, number) => place < 2 || number % 3 === place % 3)
      .map(
        ([name, id, kind]): Case => ({
          name,
          ...(kind === 'malformed' ? refused : unknown),
          send: (g) => send(g, filled(g, path.replace('@', id))),
        }),
      ),
  )
}

table(
  'ids of something else',
  [
    ['an upload’s, of a package', (g: Ground) => `GET /packages/${g.ready.id}`],
    ['a package’s, of an upload', (g: Ground) => `GET /uploads/${g.openPackage}`],
    ['a file’s, of an upload', (g: Ground) => `GET /uploads/${g.ready.file_id}`],
    ['an upload’s, of a file', (g: Ground) => `GET /files/${g.ready.id}`],
    ['an upload’s, of a retrieval', (g: Ground) => `GET /r/${g.ready.id}/lake.csv`],
    ['an upload’s, of a webhook', (g: Ground) => `GET /webhooks/${g.ready.id}`],
    ['an upload’s, of a key', (g: Ground) => `DELETE /api-keys/${g.ready.id}`],
    ['a file’s MD5, of a file', (g: Ground) => `GET /files/${g.ready.checksums?.md5}`],
    ['a file’s SHA-256 with a digit more', (g: Ground) => `GET /files/${g.ready.file_id}0`],
  ].map(
    ([name, line]): Case => ({
      name: String(name),
      ...unknown,
      send: (g) => signed(g, typeof line === 'function' ? line(g) : ''),
    }),
  ),
)

/** The same bytes as for what never was, but for the id, which the asker knows. */
async function expectLikeUnknown(answer: Answer, g: Ground, send: (g: Ground) => Uint8Array): Promise<void> {
  const made: Ground = {
    ...g,
    receiving: unlike(g.receiving),
    canary: unlike(g.canary),
    openPackage: unlike(g.openPackage),
    ready: { ...g.ready, id: unlike(g.ready.id), file_id: unlike(g.ready.file_id ?? '') },
  }
  const wire = await Wire.open(g.server.url)
  await wire.send(send(made))
  const never = await wire.next()
  wire.destroy()
  const known: readonly [string, string][] = [
    [g.receiving, made.receiving],
    [g.canary, made.canary],
    [g.openPackage, made.openPackage],
    [g.ready.id, made.ready.id],
    [g.ready.file_id ?? '', made.ready.file_id ?? ''],
  ]
  let body = answer.body.toString()
  for (const [there, madeUp] of known) body = body.replaceAll(there, madeUp)
  expect([answer.status, body]).toEqual([never?.status, never?.body.toString()])
  const { date: _, ...headers } = answer.headers
  const { date: _never, ...neverHeaders } = never?.headers ?? {}
  expect(headers).toEqual(neverHeaders)
}

/** As long, and of the same digits: what never was. */
function unlike(id: string): string {
  return id.replaceAll(/[0-9a-f]/g, (digit) => (15 - Number.parseInt(digit, 16)).toString(16))
}

const MERGE_PATCH = 'Content-Type: application/merge-patch+json'
const OFFSET = ['Upload-Offset: 2', 'Content-Type: application/offset+octet-stream']
const SAME_ID = 'X-Request-ID: the-same-for-both'

/** Every route that an id leads to, by somebody who knows the id. */
const routes: readonly [string, (g: Ground) => [line: string, headers?: string[], body?: string]][] = [
  ['the report', (g) => [`GET /uploads/${g.ready.id}`]],
  ['bytes', (g) => [`PATCH /uploads/${g.receiving}`, [TUS, ...OFFSET], 'c']],
  ['bytes by Content-Range', (g) => [`PATCH /uploads/${g.receiving}`, ['Content-Range: bytes 2-2/10'], 'c']],
  ['changes', (g) => [`PATCH /uploads/${g.ready.id}`, [MERGE_PATCH], '{"note":"mine"}']],
  ['completion', (g) => [`POST /uploads/${g.receiving}/complete`]],
  ['deletion', (g) => [`DELETE /uploads/${g.canary}`]],
  ['deletion by override', (g) => [`POST /uploads/${g.canary}`, [TUS, 'X-HTTP-Method-Override: DELETE']]],
  ['a new retrieval URL', (g) => [`POST /uploads/${g.ready.id}/retrieval-url`]],
  ['EML of an upload', (g) => [`GET /uploads/${g.ready.id}/eml`]],
  ['a concatenation', (g) => ['POST /uploads', [TUS, `Upload-Concat: final;/uploads/${g.ready.id}`]]],
  ['the content', (g) => [`GET /files/${g.ready.file_id}`]],
  ['what is told of the content', (g) => [`GET /files/${g.ready.file_id}/info`]],
  ['the content, for download', (g) => [`GET /files/${g.ready.file_id}/download`]],
  ['deletion of the content', (g) => [`DELETE /files/${g.ready.file_id}`]],
  ['a package', (g) => [`GET /packages/${g.openPackage}`]],
  ['the files of a package', (g) => [`GET /packages/${g.openPackage}/files`]],
  ['a file for a package', (g) => [`POST /packages/${g.openPackage}/files?filename=x`, [], 'x']],
  ['finalizing', (g) => [`POST /packages/${g.openPackage}/finalize`]],
  ['the manifest', (g) => [`GET /packages/${g.openPackage}/manifest`]],
  ['the manifest in JSON', (g) => [`GET /packages/${g.openPackage}/manifest.json`]],
  ['EML of a package', (g) => [`GET /packages/${g.openPackage}/eml`]],
  [
    'a document filled with a package',
    (g) => [`POST /eml?package_id=${g.openPackage}`, ['Content-Type: application/xml'], '<a/>'],
  ],
  [
    'a longer life of a package',
    (g) => [
      `POST /packages/${g.openPackage}/retention/extensions`,
      ['Content-Type: application/json'],
      '{"new_expires_at":"2027-06-30T00:00:00Z","reason":"mine"}',
    ],
  ],
  ['deletion of a package', (g) => [`DELETE /packages/${g.openPackage}`]],
]

table(
  'what is somebody else’s',
  routes.map(([name, request]): Case => {
    const send = (g: Ground) => {
      const [line, headers = [], body = ''] = request(g)
      return anonymous(line, [g.stranger, SAME_ID, ...headers], body)
    }
    return { name, ...unknown, send, check: (answer, g) => expectLikeUnknown(answer, g, send) }
  }),
)

table('somebody else’s, by name', [
  {
    name: 'a session in a package of somebody else’s',
    ...unknown,
    send: (g) =>
      json({ ...g, credential: g.stranger }, 'POST /uploads', { filename: 'x', package_id: g.openPackage }),
  },
  {
    name: 'a tus upload in a package of somebody else’s',
    ...unknown,
    send: (g) =>
      anonymous('POST /uploads', [
        g.stranger,
        TUS,
        'Upload-Length: 1',
        `Upload-Metadata: packageId ${Buffer.from(g.openPackage).toString('base64')}`,
      ]),
  },
  {
    name: 'a list by the id of a package of somebody else’s is empty',
    status: 200,
    check: ({ body }) => expect(JSON.parse(body.toString()).items).toEqual([]),
    send: (g) => anonymous(`GET /uploads?package_id=${g.openPackage}`, [g.stranger]),
  },
  {
    name: 'the list of files of a package by the cursor of another one',
    ...refused,
    send: (g) => {
      const cursor = Buffer.from(JSON.stringify([g.ready.id, 'a.csv'])).toString('base64url')
      return signed(g, `GET /packages/${g.openPackage}/files?cursor=${cursor}`)
    },
  },
])
