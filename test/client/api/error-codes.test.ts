// Each code of the server's, forced out of a real one, arrives as the class that the client promises for it.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Antipasto, type AntipastoOptions } from '../../../client/api/antipasto.js'
import {
  ApiError,
  ChecksumMismatch,
  Conflict,
  ContentRefused,
  Forbidden,
  Gone,
  HashMismatch,
  InsufficientStorage,
  InvalidInput,
  NotFound,
  OffsetMismatch,
  PackageFinalized,
  PayloadTooLarge,
  QuotaExceeded,
  RangeNotSatisfiable,
  RateLimited,
  Unauthorized,
  Unavailable,
  UnsupportedMediaType,
} from '../../../client/api/errors.js'
import { startIam } from '../../support/iam.js'
import { startServer, type TestServer } from '../../support/server.js'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const PATCH = {
  method: 'PATCH',
  headers: {
    'tus-resumable': '1.0.0',
    'content-type': 'application/offset+octet-stream',
    'upload-offset': '0',
  },
}

let server: TestServer
let antipasto: Antipasto

beforeAll(async () => {
  server = await startServer({
    env: {
      MAX_FILE_BYTES: '64KiB',
      ON_READY_COMMAND: 'if grep -q virus; then echo "A virus." >&2; exit 1; fi',
    },
  })
  antipasto = clientOf(server)
})

afterAll(() => server.dispose())

function clientOf({ url, key }: TestServer, options: Partial<AntipastoOptions> = {}): Antipasto {
  return new Antipasto({ url, token: key, patienceSeconds: 0, ...options })
}

const file = (text: string, over: object = {}) =>
  antipasto.files.create(bytesOf(text), { filename: 'a.csv', ...over })

const cases: [code: string, kind: typeof ApiError, provoke: () => Promise<unknown>][] = [
  ['UNAUTHORIZED', Unauthorized, () => clientOf(server, { token: 'ap_wrong' }).me()],
  [
    'FORBIDDEN',
    Forbidden,
    async () => {
      const { key } = await antipasto.keys.create({ name: 'reader', scopes: ['read'] })
      await clientOf(server, { token: key }).packages.create({ name: 'x' })
    },
  ],
  ['NOT_FOUND', NotFound, () => antipasto.uploads.report('0'.repeat(40))],
  ['INVALID_INPUT', InvalidInput, () => antipasto.packages.create({ name: '' })],
  ['INVALID_INPUT', InvalidInput, () => antipasto.events({ since: 1_000_000_000 }).next()],
  ['INVALID_INPUT', InvalidInput, () => antipasto.events({ since: 1_000_000_000, follow: true }).next()],
  ['PAYLOAD_TOO_LARGE', PayloadTooLarge, () => file('x'.repeat(64 * 1024 + 1))],
  ['HASH_MISMATCH', HashMismatch, () => file('abc', { sha256: '0'.repeat(64) })],
  ['CONTENT_REFUSED', ContentRefused, () => file('a virus')],
  [
    'GONE',
    Gone,
    async () => {
      const { id } = await antipasto.packages.create({ name: 'x' })
      await antipasto.packages.remove(id)
      await antipasto.packages.get(id)
    },
  ],
  [
    'CONFLICT',
    Conflict,
    async () => {
      const { id } = await antipasto.packages.create({ name: 'x' })
      await antipasto.packages.manifest(id, 'cbor')
    },
  ],
  [
    'PACKAGE_FINALIZED',
    PackageFinalized,
    async () => {
      const { id } = await antipasto.packages.create({ name: 'x' })
      const { file_id } = await file('frozen', { packageId: id })
      await antipasto.packages.finalize(id)
      await antipasto.files.remove(file_id)
    },
  ],
  [
    'OFFSET_MISMATCH',
    OffsetMismatch,
    async () => antipasto.uploads.complete((await antipasto.uploads.open({ filename: 'a', size: 9 })).id),
  ],
  [
    'CHECKSUM_MISMATCH',
    ChecksumMismatch,
    async () => {
      const { id } = await antipasto.uploads.open({ filename: 'a', size: 3 })
      const digest = createHash('sha1').update('other').digest('base64')
      await antipasto.connection.ask(`/uploads/${id}`, {
        ...PATCH,
        headers: { ...PATCH.headers, 'upload-checksum': `sha1 ${digest}` },
        body: 'abc',
      })
    },
  ],
  [
    'UNSUPPORTED_MEDIA_TYPE',
    UnsupportedMediaType,
    () =>
      antipasto.connection.ask('/packages', {
        method: 'POST',
        headers: { 'content-type': 'application/msword' },
        body: 'x',
      }),
  ],
  [
    'RANGE_NOT_SATISFIABLE',
    RangeNotSatisfiable,
    async () => {
      const { retrieval_url } = await file('short')
      await antipasto.connection.ask(String(retrieval_url), { headers: { range: 'bytes=99-' } })
    },
  ],
  ['METHOD_NOT_ALLOWED', ApiError, () => antipasto.connection.ask('/me', { method: 'DELETE' })],
  [
    'NOT_ACCEPTABLE',
    ApiError,
    () => antipasto.connection.ask('/events', { headers: { accept: 'image/png' } }),
  ],
]

describe('what the server refuses', () => {
  test.each(cases)('%s is %p: %#', async (code, kind, provoke) => {
    const error = await provoke().then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject({
      code,
      requestId: expect.stringMatching(/./),
      message: expect.stringMatching(/[.]$/),
    })
  })
})

describe('what an operator has limited', () => {
  async function refusalOf(env: Record<string, string>, ask: (client: Antipasto) => Promise<unknown>) {
    const limited = await startServer({ env })
    try {
      await ask(clientOf(limited))
      return null
    } catch (error) {
      return error
    } finally {
      await limited.dispose()
    }
  }
  const send = (client: Antipasto) => client.files.create(bytesOf('abcdef'), { filename: 'a' })

  test('is QUOTA_EXCEEDED beyond the quota', async () => {
    const error = await refusalOf({ QUOTA_BYTES: '5' }, send)
    expect(error).toBeInstanceOf(QuotaExceeded)
    expect(error).toMatchObject({ code: 'QUOTA_EXCEEDED', status: 403 })
  })

  test('is RATE_LIMITED with when to come back', async () => {
    const error = await refusalOf({ RATE_LIMIT_KEY: '3/1m' }, async (client) => {
      for (let time = 0; time < 4; time += 1) await client.me()
    })
    expect(error).toBeInstanceOf(RateLimited)
    expect(error).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: expect.any(Number) })
  })

  const isRoot = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
  const testAsRoot = isRoot ? test : test.skip

  testAsRoot(`is INSUFFICIENT_STORAGE when no room is left${isRoot ? '' : ' (needs root)'}`, async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'antipasto-full-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dataDir])
    const full = await startServer({ dataDir, env: { MIN_FREE_BYTES: '1MiB' } })
    try {
      const body = new Uint8Array(3_500_000)
      const error = await clientOf(full)
        .files.create(body, { filename: 'a' })
        .catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(InsufficientStorage)
      expect(error).toMatchObject({ code: 'INSUFFICIENT_STORAGE', status: 507 })
    } finally {
      await full.dispose()
      execFileSync('umount', [dataDir])
      await rm(dataDir, { recursive: true })
    }
  })

  test('is UNAVAILABLE while a credential can not be checked', async () => {
    const iam = await startIam()
    const asking = await startServer({ env: iam.env })
    try {
      const token = iam.makeKey()
      iam.fail('500')
      const error = await clientOf(asking, { token })
        .me()
        .catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(Unavailable)
      expect(error).toMatchObject({ code: 'UNAVAILABLE', status: 503 })
    } finally {
      await asking.dispose()
      await iam.close()
    }
  })
})
