import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Express } from 'express'
import pg from 'pg'
import { anonymousReader, type Identity } from '../../server/auth/identity.js'
import { openRateLimits, type RateLimits, type RateLimitsOptions } from '../../server/guards/rate-limit.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { type Guarded, serveGuarded, silentLog } from './app.js'

/** Who asks, by the header X-Key: signing in is not what is tested here. */
const identities: Record<string, Identity> = {
  a: { owner: 'ann', keyId: 'A1', scopes: new Set() },
  a2: { owner: 'ann', keyId: 'A2', scopes: new Set() },
  token: { owner: `iam:${'x'.repeat(1000)}`, scopes: new Set() },
  anonymous: anonymousReader,
}

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function serve(
  options: Partial<RateLimitsOptions>,
  trustProxy: number | readonly string[] = 0,
): Promise<Guarded & { limits: RateLimits }> {
  const limits = openRateLimits({
    rateLimitKey: undefined,
    rateLimitAddress: undefined,
    rateLimitStore: 'memory',
    databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
    log: silentLog,
    ...options,
  })
  const served = await serveGuarded((app: Express) => {
    app.set('trust proxy', trustProxy)
    if (limits.address !== undefined) app.use(limits.address)
    app.use((request, _response, next) => {
      const identity = identities[String(request.headers['x-key'])]
      if (identity !== undefined) request.identity = identity
      next()
    })
    // As where routers lie within each other, and both ask for a credential.
    if (limits.credential !== undefined) app.use(limits.credential, limits.credential)
    app.all('/*path', (_request, response) => void response.send('served'))
  })
  opened.push(limits, served)
  return { ...served, limits }
}

const get = (origin: string, headers: Record<string, string> = {}) =>
  ask(origin, { method: 'GET', path: '/x', headers })

async function statuses(count: number, send: () => Promise<Answer>): Promise<number[]> {
  const answers: number[] = []
  for (let index = 0; index < count; index++) answers.push((await send()).status)
  return answers
}

test('Without a limit there is nothing to mount', async () => {
  const { origin, limits } = await serve({})
  expect([limits.address, limits.credential]).toEqual([undefined, undefined])
  const { status, headers } = await get(origin, { 'x-key': 'a' })
  expect(status).toBe(200)
  expect(headers).not.toHaveProperty('ratelimit')
  expect(headers).not.toHaveProperty('ratelimit-policy')
})

describe('A credential', () => {
  const rateLimitKey = { requests: 3, windowSeconds: 2 }

  test('is told with each answer how it stands, refused over the limit, and served in the next window', async () => {
    const { origin } = await serve({ rateLimitKey })
    const first = await get(origin, { 'x-key': 'a' })
    expect(first.headers).toMatchObject({ 'ratelimit-policy': '"key";q=3;w=2', ratelimit: '"key";r=2;t=2' })
    expect(await statuses(2, () => get(origin, { 'x-key': 'a' }))).toEqual([200, 200])
    const refused = await get(origin, { 'x-key': 'a' })
    expect(refused.status).toBe(429)
    const retryAfter = Number(refused.headers['retry-after'])
    expect(refused.headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'ratelimit-policy': '"key";q=3;w=2',
      ratelimit: `"key";r=0;t=${retryAfter}`,
    })
    expect(JSON.parse(refused.body.toString())).toMatchObject({
      code: 'RATE_LIMITED',
      detail: `More than 3 requests in 2 s came with this credential. Go on in ${retryAfter} s.`,
    })
    await sleep(retryAfter * 1000)
    expect((await get(origin, { 'x-key': 'a' })).headers.ratelimit).toBe('"key";r=2;t=2')
  })

  test('is counted for itself; an identity without a key is its owner, and nobody is not limited', async () => {
    const { origin } = await serve({ rateLimitKey })
    for (const key of ['a', 'a2', 'token']) {
      expect(await statuses(4, () => get(origin, { 'x-key': key }))).toEqual([200, 200, 200, 429])
    }
    for (const key of ['anonymous', 'none']) {
      expect(await statuses(5, () => get(origin, { 'x-key': key }))).toEqual([200, 200, 200, 200, 200])
    }
  })

  test('over the limit with a large body gets its answer, and the connection is closed', async () => {
    const { origin } = await serve({ rateLimitKey })
    await statuses(3, () => get(origin, { 'x-key': 'a' }))
    const body = Buffer.alloc(3 * 1024 ** 2)
    const refused = await ask(origin, { method: 'PATCH', path: '/x', headers: { 'x-key': 'a' }, body })
    expect(refused.status).toBe(429)
    expect(refused.headers.connection).toBe('close')
  })
})

describe('An address', () => {
  const rateLimitAddress = { requests: 2, windowSeconds: 60 }
  const from = (origin: string, forwarded: string) => get(origin, { 'x-forwarded-for': forwarded })

  test('is limited whoever asks, and both limits are told as lists', async () => {
    const { origin } = await serve({ rateLimitAddress, rateLimitKey: { requests: 600, windowSeconds: 60 } })
    const { headers } = await get(origin, { 'x-key': 'a' })
    expect(headers).toMatchObject({
      'ratelimit-policy': '"address";q=2;w=60, "key";q=600;w=60',
      ratelimit: '"address";r=1;t=60, "key";r=599;t=60',
    })
    expect((await get(origin, { 'x-key': 'a2' })).status).toBe(200)
    const refused = await get(origin, { 'x-key': 'token' })
    expect(refused.status).toBe(429)
    expect(JSON.parse(refused.body.toString()).detail).toContain('came from your address')
  })

  test('that nobody vouches for is the socket’s, whatever X-Forwarded-For says', async () => {
    const { origin } = await serve({ rateLimitAddress })
    const spoofed = ['192.0.2.1', '192.0.2.2', '::1', 'nonsense', '', '1.1.1.1, 2.2.2.2']
    const answers = []
    for (const forwarded of spoofed) answers.push((await from(origin, forwarded)).status)
    expect(answers).toEqual([200, 200, 429, 429, 429, 429])
  })

  test('that a listed proxy vouches for is the right-most that is no proxy itself', async () => {
    const { origin } = await serve({ rateLimitAddress }, ['127.0.0.0/8', '10.0.0.0/8'])
    // What stands further left, its sender has made up.
    expect((await from(origin, '198.51.100.1, 192.0.2.1, 10.0.0.9')).status).toBe(200)
    expect((await from(origin, '198.51.100.2, 192.0.2.1')).status).toBe(200)
    expect((await from(origin, '198.51.100.3, 192.0.2.1, 10.0.0.8')).status).toBe(429)
    expect((await from(origin, '192.0.2.2')).status).toBe(200)
  })

  test('of a number of proxies is the one that the first of them has seen', async () => {
    const { origin } = await serve({ rateLimitAddress }, 2)
    expect((await from(origin, '198.51.100.1, 192.0.2.1, 10.0.0.9')).status).toBe(200)
    expect((await from(origin, '198.51.100.2, 192.0.2.1, 10.0.0.8')).status).toBe(200)
    expect((await from(origin, '198.51.100.3, 192.0.2.1, 10.0.0.7')).status).toBe(429)
  })

  test('of IPv6 is its network of /64', async () => {
    const { origin } = await serve({ rateLimitAddress }, 1)
    expect((await from(origin, '2001:db8:1:2::1')).status).toBe(200)
    expect((await from(origin, '2001:db8:1:2:ffff::2')).status).toBe(200)
    expect((await from(origin, '2001:db8:1:2:3:4:5:6')).status).toBe(429)
    expect((await from(origin, '2001:db8:1:3::1')).status).toBe(200)
  })

  test.each([
    ['garbage', 'garbage'],
    ['a script', '<script>'],
    ['nothing', ','],
    ['ten thousand commas', ','.repeat(10_000)],
    ['a name of an object', '__proto__'],
    ['too long an address', '1'.repeat(10_000)],
  ])(
    'that a proxy passes on and is none (%s) is the proxy’s: no way around the limit',
    async (_, forwarded) => {
      const { origin } = await serve({ rateLimitAddress }, ['127.0.0.1'])
      expect(await statuses(3, () => from(origin, forwarded))).toEqual([200, 200, 429])
      expect((await from(origin, `${forwarded}x`)).status).toBe(429)
    },
  )
})

describe('In Postgres', () => {
  let database: TestDatabase | undefined
  afterEach(async () => {
    await database?.drop()
    database = undefined
  })

  test('instances count together, exactly, however many ask at once', async () => {
    database = await createTestDatabase()
    const { databaseUrl } = database
    const options = {
      rateLimitKey: { requests: 20, windowSeconds: 60 },
      rateLimitStore: 'postgres' as const,
      databaseUrl,
    }
    const [one, other] = [await serve(options), await serve(options)]
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => get((index % 2 ? one : other).origin, { 'x-key': 'a' })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(40)
    const refused = await get(one.origin, { 'x-key': 'a' })
    expect(refused.headers.ratelimit).toMatch(/^"key";r=0;t=(60|[1-5]\d)$/)

    // An owner's name is nobody's business in a table, and may be longer than its column.
    expect((await get(one.origin, { 'x-key': 'token' })).headers.ratelimit).toBe('"key";r=19;t=60')
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    const { rows } = await client.query<{ key: string }>('SELECT key, points FROM rate_limits ORDER BY key')
    await client.end()
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatchObject({ key: 'key:id-A1' })
    expect(rows[1]).toMatchObject({ key: expect.stringMatching(/^key:owner-[\w-]{43}$/), points: 1 })
    // The connections have to be closed before the database goes.
    for (const limits of [one.limits, other.limits]) await limits.close()
    for (const { close } of [one, other]) await close()
    opened.length = 0
  })

  test.each([
    ['refuses to connect', false],
    ['says nothing', true],
  ])('that %s nobody is refused; each instance counts for itself, and waits once', async (_, isMute) => {
    const mute = net.createServer()
    mute.listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const { port } = mute.address() as net.AddressInfo
    if (!isMute) mute.close()
    const { origin } = await serve({
      rateLimitKey: { requests: 3, windowSeconds: 60 },
      rateLimitStore: 'postgres',
      databaseUrl: `postgres://nobody@127.0.0.1:${port}/none`,
    })
    const startedAt = performance.now()
    expect(await statuses(4, () => get(origin, { 'x-key': 'a' }))).toEqual([200, 200, 200, 429])
    expect(performance.now() - startedAt).toBeLessThan(2_500)
    mute.close()
  })
})
