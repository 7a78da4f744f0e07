// An owner who has all that may be had, and tries every way in for more.
//
// The ground has 5 uploads, 3 of them open, and 1,032 bytes announced; the table that fills its bytes has room for nothing larger.

import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { expect } from '@jest/globals'
import type { TestServer } from '../support/server.js'
import {
  anonymous,
  type Case,
  type Expected,
  type Ground,
  hostileGround,
  json,
  OFFSET_STREAM,
  signed,
  TUS,
} from './harness.js'

const { table } = hostileGround({
  env: { QUOTA_FILES: '5', QUOTA_OPEN_UPLOADS: '3', QUOTA_BYTES: '5000' },
})

const full = { status: 403, code: 'QUOTA_EXCEEDED' } as const

const form = (bytes: string) =>
  `--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n${bytes}\r\n--b--\r\n`

const FORM = 'Content-Type: multipart/form-data; boundary=b'

/** Some buffers, which are on their way before anybody can say no. */
const MOST_TEMPORARY_BYTES = 2 * 1024 ** 2

async function temporaryBytes({ dataDir }: TestServer): Promise<number> {
  const folder = path.join(dataDir, 'store', 'tmp')
  const files = await Promise.all((await readdir(folder)).map((name) => stat(path.join(folder, name))))
  return files.reduce((sum, { size }) => sum + size, 0)
}

const inChunks = (bytes: string) => `${bytes.length.toString(16)}\r\n${bytes}\r\n0\r\n\r\n`

const ways: readonly [string, (g: Ground) => Uint8Array][] = [
  ['a creation', (g) => signed(g, 'POST /uploads', [TUS, 'Upload-Length: 1'])],
  ['a creation of no bytes', (g) => signed(g, 'POST /uploads', [TUS, 'Upload-Length: 0'])],
  [
    'a creation of a length that comes later',
    (g) => signed(g, 'POST /uploads', [TUS, 'Upload-Defer-Length: 1']),
  ],
  [
    'a creation with its bytes',
    (g) => signed(g, 'POST /uploads', [TUS, 'Upload-Length: 1', OFFSET_STREAM], 'x'),
  ],
  [
    'a creation with some of its bytes',
    (g) => signed(g, 'POST /uploads', [TUS, 'Upload-Length: 900000', OFFSET_STREAM], 'x'),
  ],
  ['a session', (g) => json(g, 'POST /uploads', { filename: 'x' })],
  [
    'a session with a name to ask again',
    (g) => json(g, 'POST /uploads', { filename: 'x' }, ['Idempotency-Key: a']),
  ],
  ['a session in a package', (g) => json(g, 'POST /uploads', { filename: 'x', package_id: g.openPackage })],
  ['a file', (g) => signed(g, 'POST /files?filename=x', [], 'x')],
  [
    'a file that is larger than what is taken at once',
    (g) => signed(g, 'POST /files?filename=x', [], 'x'.repeat(200_000)),
  ],
  [
    'a file in chunks',
    (g) => signed(g, 'POST /files?filename=x', ['Transfer-Encoding: chunked'], inChunks('xyz')),
  ],
  ['a form', (g) => signed(g, 'POST /files', [FORM], form('x'))],
  ['a file in a package', (g) => signed(g, `POST /packages/${g.openPackage}/files?filename=x`, [], 'x')],
  [
    'a file with the label of a package that would be made',
    (g) => signed(g, 'POST /files?filename=x&label=new', [], 'x'),
  ],
  [
    'a file whose report is enough',
    (g) => signed(g, 'POST /files?filename=x', ['Prefer: respond-async'], 'x'),
  ],
]

table(
  'one upload more',
  ways.map(([name, send]): Case => ({ name, ...full, send })),
)

const grow = (name: string, send: (g: Ground) => Uint8Array, expected: Expected = full): Case => ({
  name,
  ...expected,
  send,
})

table('more bytes for what there is', [
  grow('a length that is told at last', (g) =>
    signed(
      g,
      `PATCH /uploads/${g.session}`,
      [TUS, OFFSET_STREAM, 'Upload-Offset: 0', 'Upload-Length: 4000'],
      'x',
    ),
  ),
  grow('a size that is told at last', (g) =>
    signed(g, `PATCH /uploads/${g.session}`, ['Content-Range: bytes 0-0/4000'], 'x'),
  ),
  grow('many bytes of a size that nobody tells', (g) =>
    signed(g, `PATCH /uploads/${g.session}`, ['Content-Range: bytes 0-8999/*'], 'x'.repeat(9000)),
  ),
  {
    name: 'many bytes in chunks, of a size that nobody tells: the disk keeps none that no quota counts',
    ...full,
    mustClose: true,
    check: async (_, { server }) => expect(await temporaryBytes(server)).toBeLessThan(MOST_TEMPORARY_BYTES),
    send: (g) =>
      signed(
        g,
        `PATCH /uploads/${g.session}`,
        [TUS, OFFSET_STREAM, 'Upload-Offset: 0', 'Transfer-Encoding: chunked'],
        inChunks('x'.repeat(20_000_000)),
      ),
  },
])

table('many at once', [
  {
    name: 'a hundred creations in one piece',
    ...full,
    withinMs: 5000,
    more: Array.from({ length: 99 }, (): Expected => ({ ...full, withinMs: 5000 })),
    send: (g) =>
      Buffer.concat(Array.from({ length: 100 }, () => signed(g, 'POST /uploads', [TUS, 'Upload-Length: 1']))),
  },
  {
    name: 'files of somebody who has a key and says it is another’s',
    status: 400,
    code: 'INVALID_INPUT',
    send: (g) => anonymous('POST /files?filename=x&owner=stranger', [g.credential], 'x'),
  },
])
