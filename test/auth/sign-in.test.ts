// Tokens and keys of an IAM against the running server.

import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Answer, ask } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { expectSameBytes, someBytes, TusClient } from '../dialects/tus-client.js'
import { ediClaims, ediId, es256, type Iam, type IssuedClaims, signJws, startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'

const [ada, bob, staff] = [ediId('ada'), ediId('bob'), ediId('staff')]
const INVALID = 'Bearer realm="antipasto", error="invalid_token"'
const EXPIRED = `${INVALID}, error_description="The token has expired"`

let iam: Iam

beforeAll(async () => {
  iam = await startIam()
})
afterAll(() => iam.close())

function list(server: TestServer, credential: string): Promise<Answer> {
  return ask(server.url, {
    method: 'GET',
    path: '/uploads',
    headers: { Authorization: `Bearer ${credential}` },
  })
}

async function idsOf(server: TestServer, credential: string): Promise<string[]> {
  const answer = await list(server, credential)
  expect(answer.status).toBe(200)
  return JSON.parse(answer.body.toString()).items.map(({ id }: { id: string }) => id)
}

describe("EDI's sign-in", () => {
  let server: TestServer

  beforeAll(async () => {
    server = await startServer({ env: { ...iam.env, AUTH_SCOPES: `*:upload+read+delete,${staff}:admin` } })
  })
  afterAll(() => server.dispose())

  const clientOf = (claims: IssuedClaims): TusClient => new TusClient(server, iam.issue(claims))

  test('a token uploads, and sees its own only', async () => {
    const [hers, his] = [clientOf({ sub: ada }), clientOf({ sub: bob })]
    const bytes = someBytes(100_000)
    const report = await hers.put(bytes)
    const other = await his.put(someBytes(10, 2))
    expectSameBytes(await hers.retrieve(report), bytes)
    expect(await idsOf(server, hers.key)).toEqual([report.id])
    expect(await idsOf(server, his.key)).toEqual([other.id])
    expect((await his.head(report.id)).status).toBe(404)
    expect((await his.remove(report.id)).status).toBe(404)
    expect((await hers.head(report.id)).status).toBe(200)
  })

  test('who merged two profiles has the uploads of both, under either name of before', async () => {
    const before = await clientOf({ sub: ediId('old me') }).put(someBytes(10))
    const merged = clientOf({ sub: ediId('new me'), links: [{ ediId: ediId('old me') }] })
    const after = await merged.put(someBytes(11))
    expect((await idsOf(server, merged.key)).sort()).toEqual([before.id, after.id].sort())
    expect((await merged.remove(before.id)).status).toBe(204)
  })

  test('a group gives scopes', async () => {
    const { id } = await clientOf({ sub: ediId('carol') }).put(someBytes(12))
    expect(await idsOf(server, iam.issue({ sub: bob, principals: [staff] }))).toContain(id)
    expect(await idsOf(server, iam.issue({ sub: bob, principals: [ediId('lter')] }))).not.toContain(id)
  })

  test('the keys of the settings, of the database and of the IAM go on side by side', async () => {
    const made = await ask(server.url, {
      method: 'POST',
      path: '/api-keys',
      headers: { Authorization: `Bearer ${iam.issue({ sub: ada })}`, 'Content-Type': 'application/json' },
      body: Buffer.from(JSON.stringify({ name: 'night run' })),
    })
    expect(made.status).toBe(201)
    const before = iam.requests('/auth/v1/key')
    const databaseKey: string = JSON.parse(made.body.toString()).key
    expect(await idsOf(server, databaseKey)).toEqual(await idsOf(server, iam.issue({ sub: ada })))
    expect((await list(server, server.key)).status).toBe(200)
    expect(iam.requests('/auth/v1/key')).toBe(before)

    const iamKey = iam.makeKey({ sub: ada })
    for (let count = 0; count < 5; count += 1)
      expect(await idsOf(server, iamKey)).toEqual(await idsOf(server, databaseKey))
    expect(iam.requests('/auth/v1/key')).toBe(before + 1)
    const byHeader = await ask(server.url, {
      method: 'GET',
      path: '/uploads',
      headers: { 'X-API-Key': iamKey },
    })
    expect(byHeader.status).toBe(200)
  })

  test('an unknown key of the IAM is 401, and while that is away 503 with Retry-After', async () => {
    const unknown = await list(server, 'z'.repeat(27))
    expectProblem(unknown, 401, 'UNAUTHORIZED')
    expect(unknown.headers['www-authenticate']).toBe(INVALID)
    iam.fail('500')
    try {
      const answer = await list(server, iam.makeKey({ sub: ada }))
      expectProblem(answer, 503, 'UNAVAILABLE')
      expect(answer.headers['retry-after']).toBe('5')
      expect((await list(server, iam.issue({ sub: ada }))).status).toBe(200)
    } finally {
      iam.recover()
    }
  })

  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const claims = ediClaims({ sub: ada })
  const byIam = (wrong: IssuedClaims) => () => iam.issue({ sub: ada, ...wrong })
  const embedded = (header: object) => () =>
    signJws({ alg: 'ES256', ...header }, claims, es256(other.privateKey))

  test.each<[string, () => string]>([
    ['alg none', () => signJws({ alg: 'none' }, claims)],
    [
      'HS256 with the PEM as the secret',
      () =>
        signJws({ alg: 'HS256', typ: 'JWT' }, claims, (input) =>
          createHmac('sha256', String(iam.publicKey.export({ type: 'spki', format: 'pem' })))
            .update(input)
            .digest(),
        ),
    ],
    ['RS256', () => signJws({ alg: 'RS256' }, claims, (input) => sign('sha256', input, rsa.privateKey))],
    ['another key', () => signJws({ alg: 'ES256' }, claims, es256(other.privateKey))],
    ['its own jwk', embedded({ jwk: createPublicKey(other.privateKey).export({ format: 'jwk' }) })],
    ['jku', embedded({ jku: 'http://127.0.0.1:1/jwks.json' })],
    ['x5u', embedded({ x5u: 'http://127.0.0.1:1/cert.pem' })],
    ['x5c', embedded({ x5c: ['MIIB'] })],
    ['kid with a path', embedded({ kid: '../../../../dev/null' })],
    ['kid with SQL', embedded({ kid: "' UNION SELECT 'x" })],
    ['crit', byIam({ header: { crit: ['exp'] } })],
    ['a JWE', () => `${signJws({ alg: 'RSA-OAEP', enc: 'A256GCM' }, claims)}.AAAA.AAAA.AAAA`],
    ['another iss', byIam({ claims: { iss: 'https://evil.example' } })],
    ['another hd', byIam({ claims: { hd: 'evil.example' } })],
    ['another typ', byIam({ header: { typ: 'secevent+jwt' } })],
    ['another sub', byIam({ sub: 'default' })],
    ['no exp', byIam({ claims: { exp: undefined } })],
    ['not yet valid', byIam({ claims: { nbf: Math.floor(Date.now() / 1000) + 3600 } })],
    ['claims that are no JSON', () => signJws({ alg: 'ES256' }, 'garbage', es256(iam.privateKey))],
    ['15 kB of nonsense', () => `eyJ${'a'.repeat(7_500)}.${'a'.repeat(7_500)}.a`],
    ['15 kB of claims', () => signJws({ alg: 'ES256' }, { ...claims, cn: 'x'.repeat(11_000) })],
  ])('%s is 401, fast, changes nothing, and the next good request is served', async (_what, make) => {
    const forged = new TusClient(server, make())
    const good = iam.issue({ sub: ada })
    const before = await idsOf(server, good)
    const startedAtMs = performance.now()
    const answer = await forged.create({ sizeBytes: 10, body: someBytes(10) })
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    const problem = expectProblem(answer, 401, 'UNAUTHORIZED')
    expect(problem.detail).toBe('The credential is unknown, expired or revoked. Use another one.')
    expect(answer.headers['www-authenticate']).toBe(INVALID)
    expect(await idsOf(server, good)).toEqual(before)
  })

  test('a token of 15 kB that is right is taken', async () => {
    const token = iam.issue({ sub: ada, claims: { cn: 'x'.repeat(11_000) } })
    expect(token.length).toBeGreaterThan(15_000)
    expect((await list(server, token)).status).toBe(200)
  })

  test('one that has expired says so', async () => {
    const answer = await list(server, iam.issue({ sub: ada, expiresInSeconds: -61 }))
    const problem = expectProblem(answer, 401, 'UNAUTHORIZED')
    expect(problem.detail).toContain('Sign in again, then go on')
    expect(answer.headers['www-authenticate']).toBe(EXPIRED)
  })

  test('a PATCH whose token ends in its middle finishes; the next request is 401, and a new token goes on', async () => {
    const bytes = someBytes(300_000, 7)
    const sub = ediId('dave')
    const id = await clientOf({ sub }).begin(bytes.byteLength)
    // The leeway is 60 seconds: this one is taken for three more.
    const ending = clientOf({ sub, expiresInSeconds: -57 })
    async function* slowly(): AsyncGenerator<Buffer> {
      yield bytes.subarray(0, 100_000)
      await sleep(4_500)
      yield bytes.subarray(100_000, 200_000)
    }
    const answer = await ending.patch(id, 0, Readable.from(slowly()))
    expect(answer.status).toBe(204)
    expect(answer.headers['upload-offset']).toBe('200000')

    const refused = await ending.patch(id, 200_000, bytes.subarray(200_000))
    expectProblem(refused, 401, 'UNAUTHORIZED')
    expect(refused.headers['www-authenticate']).toBe(EXPIRED)
    expect((await ending.head(id)).status).toBe(401)

    const renewed = clientOf({ sub })
    expect((await renewed.head(id)).headers['upload-offset']).toBe('200000')
    expect((await renewed.patch(id, 200_000, bytes.subarray(200_000))).status).toBe(204)
    const report = await renewed.report(id)
    expect(report.state).toBe('ready')
    expectSameBytes(await renewed.retrieve(report), bytes)
  })

  test('no credential is in the log, whatever became of it', async () => {
    const [right, wrong] = [iam.issue({ sub: ada }), iam.issue({ sub: ada, claims: { iss: 'x' } })]
    const [known, unknown] = [iam.makeKey({ sub: ada }), 'y'.repeat(27)]
    for (const credential of [right, wrong, known, unknown]) await list(server, credential)
    const log = server.logs()
    for (const secret of [...right.split('.'), ...wrong.split('.').slice(1), known, unknown].slice(1))
      expect(log).not.toContain(secret)
    expect(log).toContain('"reason":"iss"')
    expect(log).toContain(`"owner":"${ada}"`)
  })
})

describe('Keys behind a URL', () => {
  test('the server starts while that is away, answers 503 until it is back, and keeps what it read', async () => {
    const remote = await startIam()
    const env = { AUTH_PRESET: 'edi', AUTH_JWKS_URL: remote.jwksUrl, AUTH_IAM_URL: remote.url }
    remote.fail('500')
    const server = await startServer({ env })
    try {
      expect(remote.requests('/jwks.json')).toBe(0)
      const token = remote.issue({ sub: ada, withKid: true })
      const refused = await list(server, token)
      expectProblem(refused, 503, 'UNAVAILABLE')
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
      expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(30)
      expect((await list(server, server.key)).status).toBe(200)
      for (let count = 0; count < 20; count += 1) await list(server, token)
      expect(remote.requests('/jwks.json')).toBe(1)

      remote.recover()
      await server.restart()
      expect((await list(server, token)).status).toBe(200)
      remote.fail('hang')
      const another = remote.issue({ sub: bob, withKid: true })
      expect((await list(server, another)).status).toBe(200)
      remote.rotate()
      expectProblem(await list(server, remote.issue({ sub: ada, withKid: true })), 401, 'UNAUTHORIZED')
      expect(remote.requests('/jwks.json')).toBe(2)
    } finally {
      await server.dispose()
      await remote.close()
    }
  })
})

describe('API_KEYS_DIR', () => {
  test('gives each tenant its own', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-tenants-'))
    await mkdir(path.join(folder, '..data'))
    await writeFile(path.join(folder, 'lter-ntl'), 'upload+read key-of-lter-ntl-01\n')
    await writeFile(path.join(folder, 'lter-arc'), '# arctic\nread key-of-lter-arc-01\n')
    const server = await startServer({ env: { API_KEYS_DIR: folder } })
    try {
      const { id } = await new TusClient(server, 'key-of-lter-ntl-01').put(someBytes(10))
      expect(await idsOf(server, 'key-of-lter-ntl-01')).toEqual([id])
      expect(await idsOf(server, 'key-of-lter-arc-01')).toEqual([])
      const refused = await new TusClient(server, 'key-of-lter-arc-01').create({ sizeBytes: 1 })
      expectProblem(refused, 403, 'FORBIDDEN')
    } finally {
      await server.dispose()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('A start', () => {
  test('is refused with a private key in AUTH_PUBLIC_KEY_FILE, and says nothing of it', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-private-'))
    const pem = String(iam.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(path.join(folder, 'key.pem'), pem)
    const env = { AUTH_PRESET: 'edi', AUTH_PUBLIC_KEY_FILE: path.join(folder, 'key.pem') }
    const refused = await startServer({ env }).catch(String)
    expect(refused).toMatch(/The server has ended:[\s\S]*AUTH_PUBLIC_KEY_FILE=".*key\.pem".*private key/)
    expect(refused).not.toContain(pem.split('\n')[1])
    await rm(folder, { recursive: true, force: true })
  })
})
