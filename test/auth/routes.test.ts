// API keys over HTTP, on the real server, with keys of several owners.

import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { z } from 'zod'
import { type ApiKeys, openApiKeys } from '../../server/auth/api-keys.js'
import { MOST_LIVING_KEYS } from '../../server/auth/grant.js'
import type { Scope } from '../../server/auth/identity.js'
import { apiKeyAnswer, newApiKeyAnswer } from '../../server/auth/operations.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import { encodeCursor } from '../../server/http/cursor.js'
import { pageAnswer } from '../../server/http/pages.js'
import { startServer, type TestServer } from '../support/server.js'
import { anActor } from '../uploads/parts.js'

type NewKey = z.output<typeof newApiKeyAnswer>

const NOBODY = '00000000-0000-4000-8000-000000000000'
const ALL: Scope[] = ['upload', 'read', 'delete']

let server: TestServer
let database: Database
/** As on another instance: it has the database in common with the server, and nothing else. */
let elsewhere: ApiKeys
/** Every key that a test has seen. */
const secrets: string[] = []

beforeAll(async () => {
  // Reading is open to everybody, so that it shows that keys aren't.
  server = await startServer({ env: { ANON_READ: 'true' } })
  database = await openDatabase(server.databaseUrl ?? '')
  elsewhere = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
})

afterAll(async () => {
  await database?.close()
  await server?.dispose()
})

beforeEach(async () => {
  await database.prisma.apiKey.deleteMany()
})

async function keyOf(owner: string, scopes: Scope[] = ALL, ttlSeconds?: number): Promise<string> {
  const { key } = await elsewhere.create({ name: 'given', owner, scopes, ttlSeconds })
  secrets.push(key)
  return key
}

function call(method: string, target: string, key?: string, body?: unknown): Promise<Response> {
  return fetch(new URL(target, server.url), {
    method,
    headers: {
      ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

async function make(key: string, wanted: object = {}): Promise<NewKey> {
  const answer = await call('POST', '/api-keys', key, { name: 'laptop', ...wanted })
  expect(answer.status).toBe(201)
  const made = newApiKeyAnswer.strict().parse(await answer.json())
  secrets.push(made.key)
  return made
}

async function statusOf(answer: Promise<Response>): Promise<number> {
  const { status, body } = await answer
  await body?.cancel()
  return status
}

interface Problem {
  status: number
  code: string
  detail: string
  details: Record<string, unknown>
}

async function problemOf(answer: Promise<Response>): Promise<Problem> {
  const { status, code, detail, details } = (await (await answer).json()) as Problem // Held against what is expected.
  return { status, code, detail, details }
}

/** Whether the key opens anything on the server. */
async function isGood(key: string): Promise<boolean> {
  return (await statusOf(call('GET', '/uploads', key))) !== 401
}

describe('POST /api-keys', () => {
  test('makes a key that works at once, is shown once, and is stored as its SHA-256', async () => {
    const mine = await keyOf('mine')
    const answer = await call('POST', '/api-keys', mine, { name: 'cafe\u0301' })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const made = newApiKeyAnswer.strict().parse(await answer.json())
    secrets.push(made.key)
    expect(answer.headers.get('location')).toMatch(new RegExp(`^http://.+/api-keys/${made.id}$`))
    expect(made).toMatchObject({
      name: 'caf\u00e9',
      owner: 'mine',
      scopes: ALL,
      state: 'active',
      expires_at: null,
      revoked_at: null,
      prefix: made.key.slice(0, 8),
    })
    expect(await statusOf(call('GET', '/uploads', made.key))).toBe(200)

    const row = await database.prisma.apiKey.findUniqueOrThrow({ where: { id: made.id } })
    expect(row.hash).toBe(hash('sha256', made.key))
    expect(JSON.stringify(row)).not.toContain(made.key)
    for (const target of ['/api-keys', `/api-keys/${made.id}`]) {
      const shown = await call('GET', target, mine)
      const text = await shown.text()
      expect(shown.headers.get('cache-control')).toBe('no-store')
      expect(text).toContain(made.id)
      expect(text).not.toContain(made.key)
      expect(text).not.toContain(row.hash)
    }
  })

  test.each<[Scope[], Scope[] | undefined, Scope[] | { lacks: Scope }]>([
    [['upload'], undefined, ['upload']],
    [['upload', 'read'], undefined, ['upload', 'read']],
    [
      ['upload', 'read', 'delete'],
      ['delete', 'read', 'read'],
      ['read', 'delete'],
    ],
    [['admin'], undefined, ALL],
    [['admin'], ['admin'], ['admin']],
    [['upload'], ['read'], { lacks: 'read' }],
    [['upload', 'read'], ['read', 'delete'], { lacks: 'delete' }],
    [['upload', 'read', 'delete'], ['admin'], { lacks: 'admin' }],
    [['read'], ['read'], { lacks: 'upload' }],
    [['delete'], undefined, { lacks: 'upload' }],
    [['read', 'delete'], ['upload'], { lacks: 'upload' }],
  ])('a key with %j asks for %j: %j', async (held, wanted, expected) => {
    const key = await keyOf('mine', held)
    const asked = call('POST', '/api-keys', key, { name: 'n', scopes: wanted })
    if (Array.isArray(expected)) {
      const answer = await asked
      expect(answer.status).toBe(201)
      const made = newApiKeyAnswer.parse(await answer.json())
      expect(made.scopes).toEqual(expected)
      expect((await elsewhere.identify(made.key))?.scopes).toEqual(new Set(expected))
      return
    }
    expect((await asked).headers.get('www-authenticate')).toContain(
      `error="insufficient_scope", scope="${expected.lacks}"`,
    )
    const problem = await problemOf(asked)
    expect(problem).toMatchObject({
      status: 403,
      code: 'FORBIDDEN',
      details: { missing_scope: expected.lacks },
    })
    expect(problem.detail).toContain(`"${expected.lacks}"`)
    expect(await elsewhere.list()).toHaveLength(1)
  })

  test('takes another owner from admin alone', async () => {
    const mine = await keyOf('mine')
    const refused = await problemOf(call('POST', '/api-keys', mine, { name: 'n', owner: 'theirs' }))
    expect(refused).toMatchObject({ status: 403, details: { missing_scope: 'admin' } })
    expect((await make(mine, { owner: 'mine' })).owner).toBe('mine')

    const made = await make(await keyOf('operator', ['admin']), { owner: 'theirs' })
    expect(made).toMatchObject({ owner: 'theirs', scopes: ALL })
    expect(await elsewhere.identify(made.key)).toMatchObject({ owner: 'theirs' })
    expect(await statusOf(call('GET', `/api-keys/${made.id}`, mine))).toBe(404)
    expect(await statusOf(call('GET', `/api-keys/${made.id}`, await keyOf('theirs')))).toBe(200)
  })

  test('works for keys of the configuration, which are in no list', async () => {
    const made = await make(server.key)
    expect(made).toMatchObject({ owner: 'default', scopes: ALL })
    const listed = pageAnswer(apiKeyAnswer).parse(await (await call('GET', '/api-keys', server.key)).json())
    expect(listed.items.map(({ id }) => id)).toEqual([made.id])
  })

  test('makes a key that ends when it was said to', async () => {
    const mine = await keyOf('mine')
    const expiresAt = new Date(Date.now() + 1_500)
    const made = await make(mine, { expires_at: expiresAt.toISOString() })
    expect(made.expires_at).toBe(expiresAt.toISOString())
    expect(await isGood(made.key)).toBe(true)
    await sleep(expiresAt.getTime() - Date.now() + 100)
    expect(await isGood(made.key)).toBe(false)
    const shown = await (await call('GET', `/api-keys/${made.id}`, mine)).json()
    expect(shown).toMatchObject({ state: 'expired', revoked_at: null })
  })

  test('makes none that outlives its maker', async () => {
    const lent = await keyOf('mine', ALL, 3_600)
    const [given] = await elsewhere.list()
    const expiresAt = given?.expiresAt ?? new Date(Number.NaN)
    expect((await make(lent)).expires_at).toBe(expiresAt.toISOString())
    const sooner = new Date(expiresAt.getTime() - 60_000)
    expect((await make(lent, { expires_at: sooner.toISOString() })).expires_at).toBe(sooner.toISOString())

    const later = new Date(expiresAt.getTime() + 1).toISOString()
    const refused = await problemOf(call('POST', '/api-keys', lent, { name: 'n', expires_at: later }))
    expect(refused).toMatchObject({
      status: 403,
      code: 'FORBIDDEN',
      details: { latest_expires_at: expiresAt.toISOString() },
    })
    expect(await elsewhere.list()).toHaveLength(3)
    const admin = await keyOf('operator', ['admin'], 3_600)
    expect((await make(admin)).expires_at).toBeNull()
  })

  test('makes none for a key that was revoked elsewhere, even while it is still believed here', async () => {
    const leaked = await keyOf('mine')
    expect(await isGood(leaked)).toBe(true)
    await elsewhere.revoke(leaked)
    const refused = await problemOf(call('POST', '/api-keys', leaked, { name: 'n' }))
    expect(await isGood(leaked)).toBe(true)
    expect(refused).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
    expect(await elsewhere.list()).toHaveLength(1)
  })

  test(`lets an owner have ${MOST_LIVING_KEYS} living keys, however many are asked for at once`, async () => {
    const mine = await keyOf('mine')
    await database.prisma.apiKey.createMany({
      data: Array.from({ length: MOST_LIVING_KEYS + 20 }, (_, number) => ({
        id: crypto.randomUUID(),
        name: `n${number}`,
        prefix: 'ap_xxxxx',
        hash: `hash ${number}`,
        owner: 'mine',
        scopes: ['read'],
        // Of the last 25 none is living.
        ...(number < 95 ? {} : number % 2 === 0 ? { revokedAt: new Date() } : { expiresAt: new Date(0) }),
      })),
    })
    const statuses = await Promise.all(
      Array.from({ length: 12 }, () => statusOf(call('POST', '/api-keys', mine, { name: 'n' }))),
    )
    expect(statuses.filter((status) => status === 201)).toHaveLength(4)
    expect(statuses.filter((status) => status === 409)).toHaveLength(8)
    const refused = await problemOf(call('POST', '/api-keys', mine, { name: 'n' }))
    expect(refused).toMatchObject({ status: 409, code: 'CONFLICT' })
    expect(refused.detail).toContain(`${MOST_LIVING_KEYS}`)
    // It is the owner's measure, and nobody else's.
    await make(await keyOf('theirs'))
    const admin = await keyOf('operator', ['admin'])
    expect(await statusOf(call('POST', '/api-keys', admin, { name: 'n', owner: 'mine' }))).toBe(409)

    const [{ id }] = await database.prisma.$queryRaw<[{ id: string }]>`
      SELECT id FROM api_keys WHERE hash = 'hash 0'
    `
    expect(await statusOf(call('DELETE', `/api-keys/${id}`, mine))).toBe(204)
    await make(mine)
  })

  test.each<[unknown, number, RegExp]>([
    [{}, 400, /name/],
    [{ name: '' }, 400, /name/],
    [{ name: 5 }, 400, /name/],
    [{ name: null }, 400, /name/],
    [{ name: 'a\nb' }, 400, /control characters/],
    [{ name: 'a\u0000' }, 400, /control characters/],
    [{ name: 'x'.repeat(101) }, 400, /name/],
    [{ name: 'ü'.repeat(51) }, 400, /100 bytes/],
    ['{"name":"\\ud800"}', 400, /name/],
    [{ name: 'n', scopes: [] }, 400, /scopes/],
    [{ name: 'n', scopes: 'read' }, 400, /scopes/],
    [{ name: 'n', scopes: ['fly'] }, 400, /scopes/],
    [{ name: 'n', scopes: ['READ'] }, 400, /scopes/],
    [{ name: 'n', scopes: Array.from({ length: 5 }, () => 'read') }, 400, /scopes/],
    [{ name: 'n', owner: '' }, 400, /owner/],
    [{ name: 'n', owner: 'two words' }, 400, /owner/],
    [{ name: 'n', owner: 'größe' }, 400, /owner/],
    [{ name: 'n', owner: 'x'.repeat(129) }, 400, /owner/],
    [{ name: 'n', expires_at: '2020-01-01T00:00:00Z' }, 400, /later than now, which is 20/],
    [{ name: 'n', expires_at: '0000-01-01T00:00:00Z' }, 400, /expires_at/],
    [{ name: 'n', expires_at: '2027-02-30T00:00:00Z' }, 400, /expires_at/],
    [{ name: 'n', expires_at: '2027-01-01' }, 400, /expires_at/],
    [{ name: 'n', expires_at: 1_800_000_000 }, 400, /expires_at/],
    [{ name: 'n', expires_at: null }, 400, /expires_at/],
    [{ name: 'n', expires_in: 60 }, 400, /expires_in/],
    [{ name: 'n', key: 'ap_mine' }, 400, /key/],
    ['[]', 400, /body|request/],
    ['null', 400, /./],
    ['{"name":', 400, /JSON/],
    ['['.repeat(10_000), 400, /JSON/],
    [{ name: 'x'.repeat(20_000) }, 413, /./],
  ])('%j is %i, and makes nothing', async (body, status, says) => {
    const mine = await keyOf('mine')
    const problem = await problemOf(call('POST', '/api-keys', mine, body))
    expect(problem.status).toBe(status)
    expect(problem.detail).toMatch(says)
    expect(await elsewhere.list()).toHaveLength(1)
  })

  test('wants a credential, and JSON', async () => {
    expect(await problemOf(call('POST', '/api-keys', undefined, { name: 'n' }))).toMatchObject({
      status: 401,
    })
    const mine = await keyOf('mine')
    expect(await problemOf(call('POST', '/api-keys', mine))).toMatchObject({
      status: 415,
      detail: expect.stringContaining('application/json'),
    })
    expect(await elsewhere.list()).toHaveLength(1)
  })
})

describe('GET /api-keys', () => {
  async function page(target: string, key: string) {
    const answer = await call('GET', target, key)
    expect(answer.status).toBe(200)
    const { items, next_cursor: cursor } = pageAnswer(apiKeyAnswer.strict())
      .strict()
      .parse(await answer.json())
    return {
      ids: items.map(({ id }) => id),
      owners: new Set(items.map(({ owner }) => owner)),
      cursor,
      answer,
    }
  }

  test("shows one's own, newest first; to admin all", async () => {
    const [mine, theirs] = [await keyOf('mine'), await keyOf('theirs')]
    const admin = await keyOf('operator', ['admin'])
    const made = [await make(mine), await make(theirs), await make(mine)]
    await elsewhere.revokeById(made[2]!.id, anActor('theirs'))

    const own = await page('/api-keys', mine)
    expect(own.owners).toEqual(new Set(['mine']))
    expect(own.ids.slice(0, 2)).toEqual([made[2]!.id, made[0]!.id])
    expect(own.ids).toHaveLength(3)
    expect((await page('/api-keys', theirs)).owners).toEqual(new Set(['theirs']))
    const all = await page('/api-keys', admin)
    expect(all.owners).toEqual(new Set(['mine', 'theirs', 'operator']))
    expect(all.ids).toHaveLength(6)
  })

  test('comes in pages that miss none and tell none twice, in one millisecond, too', async () => {
    const mine = await keyOf('mine')
    const createdAt = new Date('2026-01-01T00:00:00Z')
    await database.prisma.apiKey.createMany({
      data: Array.from({ length: 23 }, (_, number) => ({
        id: crypto.randomUUID(),
        name: `n${number}`,
        prefix: 'ap_xxxxx',
        hash: `hash ${number}`,
        owner: number % 4 === 3 ? 'theirs' : 'mine',
        scopes: ['read'],
        createdAt: number % 2 === 0 ? createdAt : new Date(createdAt.getTime() + number),
      })),
    })
    const rows = await database.prisma.apiKey.findMany({ where: { owner: 'mine' } })
    const seen: string[] = []
    let target: string | undefined = '/api-keys?limit=4'
    while (target !== undefined) {
      const { ids, cursor, answer } = await page(target, mine)
      expect(ids.length).toBeLessThanOrEqual(4)
      seen.push(...ids)
      target = /^<(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
      expect(target === undefined).toBe(cursor === null)
      if (target !== undefined) target = new URL(target).pathname + new URL(target).search
    }
    expect(seen).toHaveLength(rows.length)
    expect(new Set(seen)).toEqual(new Set(rows.map(({ id }) => id)))
    const timeOf = new Map(rows.map(({ id, createdAt: at }) => [id, at.getTime()]))
    const times = seen.map((id) => timeOf.get(id) ?? 0)
    expect(times).toEqual([...times].sort((a, b) => b - a))
  })

  test.each([
    'limit=0',
    'limit=501',
    'limit=x',
    'stranger=1',
    'cursor=',
    'cursor=x',
    `cursor=${encodeCursor(['webhooks', '2026-01-01T00:00:00.000Z', NOBODY])}`,
    `cursor=${encodeCursor(['api-keys', 'yesterday', NOBODY])}`,
    `cursor=${encodeCursor(['api-keys', '0000-01-01T00:00:00Z', NOBODY])}`,
    `cursor=${encodeCursor(['api-keys', '2026-01-01T00:00:00.000Z', "' OR 1=1 --"])}`,
    `cursor=${encodeCursor(['api-keys', '2026-01-01T00:00:00.000Z', 'a\u0000'])}`,
    `cursor=${encodeCursor(['api-keys'])}`,
  ])('?%s is 400', async (query) => {
    const mine = await keyOf('mine')
    expect(await problemOf(call('GET', `/api-keys?${query}`, mine))).toMatchObject({
      status: 400,
      code: 'INVALID_INPUT',
    })
  })

  test('is closed to readers without a credential, and to keys that may not read', async () => {
    const { id } = await make(await keyOf('mine'))
    expect(await statusOf(call('GET', '/uploads'))).toBe(200)
    for (const target of ['/api-keys', `/api-keys/${id}`]) {
      expect(await problemOf(call('GET', target))).toMatchObject({ status: 401 })
      expect(await problemOf(call('GET', target, await keyOf('mine', ['upload'])))).toMatchObject({
        status: 403,
        details: { missing_scope: 'read' },
      })
    }
  })

  test('says the same of what another owner has as of what never was', async () => {
    const mine = await keyOf('mine')
    const { id, prefix, key } = await make(await keyOf('theirs'))
    const texts = new Set<string>()
    for (const [method, name] of [
      ...['GET', 'DELETE'].flatMap((one) => [
        [one, id],
        [one, NOBODY],
        [one, id.toUpperCase()],
        [one, prefix],
        [one, '%00'],
      ]),
    ] as [string, string][]) {
      const answer = await call(method, `/api-keys/${name}`, mine)
      expect(answer.status).toBe(404)
      const { request_id, instance, ...rest } = (await answer.json()) as Record<string, unknown>
      expect([request_id, instance]).toEqual([expect.any(String), `/api-keys/${name}`])
      texts.add(JSON.stringify(rest))
    }
    expect(texts.size).toBe(1)
    expect(await isGood(key)).toBe(true)
  })
})

describe('DELETE /api-keys/{id}', () => {
  test('holds at once here, and elsewhere within 5 seconds; a second time changes nothing', async () => {
    const mine = await keyOf('mine')
    const { id, key } = await make(mine)
    const believed = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
    expect(await isGood(key)).toBe(true)
    expect(await believed.identify(key)).toBeDefined()

    const answer = await call('DELETE', `/api-keys/${id}`, mine)
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    expect(await problemOf(call('GET', '/uploads', key))).toMatchObject({ status: 401 })
    const first = await (await call('GET', `/api-keys/${id}`, mine)).json()
    expect(first).toMatchObject({ state: 'revoked', revoked_at: expect.any(String) })

    expect(await statusOf(call('DELETE', `/api-keys/${id}`, mine))).toBe(204)
    expect(await (await call('GET', `/api-keys/${id}`, mine)).json()).toEqual(first)
    await sleep(5_050)
    expect(await believed.identify(key)).toBeUndefined()
  })

  test('a key revokes itself, whatever it may do', async () => {
    for (const scopes of [['read'], ['delete'], ['upload'], ['admin']] as Scope[][]) {
      const { id, key } = await elsewhere.create({ name: 'n', owner: 'mine', scopes, ttlSeconds: undefined })
      secrets.push(key)
      expect(await statusOf(call('DELETE', `/api-keys/${id}`, key))).toBe(204)
      expect(await isGood(key)).toBe(false)
      expect(await statusOf(call('DELETE', `/api-keys/${id}`, key))).toBe(401)
    }
  })

  test.each<[Scope[], Scope[], Scope | null]>([
    [['upload'], ['upload'], null],
    [['upload', 'read', 'delete'], ['read'], null],
    [['upload'], ['upload', 'delete'], 'delete'],
    [['upload', 'read', 'delete'], ['admin'], 'admin'],
    [['admin'], ['admin'], null],
    [['read'], ['read'], 'upload'],
    [['read', 'delete'], ['read'], 'upload'],
  ])('a key with %j revokes one with %j: lacking %j', async (held, scopes, lacks) => {
    const actor = await keyOf('mine', held)
    const { id, key } = await elsewhere.create({ name: 'n', owner: 'mine', scopes, ttlSeconds: undefined })
    secrets.push(key)
    const answer = await call('DELETE', `/api-keys/${id}`, actor)
    if (lacks === null) {
      expect(answer.status).toBe(204)
    } else {
      expect(answer.status).toBe(403)
      expect(await answer.json()).toMatchObject({ details: { missing_scope: lacks } })
    }
    expect(await isGood(key)).toBe(lacks !== null)
  })

  test('admin revokes anybody’s; nobody revokes without a credential', async () => {
    const { id, key } = await make(await keyOf('mine'))
    expect(await statusOf(call('DELETE', `/api-keys/${id}`))).toBe(401)
    expect(await isGood(key)).toBe(true)
    expect(await statusOf(call('DELETE', `/api-keys/${id}`, await keyOf('operator', ['admin'])))).toBe(204)
    expect(await isGood(key)).toBe(false)
  })
})

test('No key is in any line of the log', async () => {
  expect(secrets.length).toBeGreaterThan(50)
  const log = server.logs()
  expect(log).toContain('/api-keys')
  expect(secrets.filter((key) => log.includes(key) || log.includes(hash('sha256', key)))).toEqual([])
})
