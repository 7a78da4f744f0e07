import { hash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type ApiKeys, type NewApiKey, openApiKeys } from '../../server/auth/api-keys.js'
import { runKeysCommand } from '../../server/auth/keys-command.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'
import { anActor } from '../uploads/parts.js'

const noKeys = { upload: [], read: [], delete: [] }
const newKey: NewApiKey = {
  name: 'laptop',
  owner: 'lter-ntl',
  scopes: ['upload', 'read'],
  ttlSeconds: undefined,
}

let testDatabase: TestDatabase
let database: Database
let apiKeys: ApiKeys

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = await openDatabase(testDatabase.databaseUrl)
})

afterAll(async () => {
  await database.close()
  await testDatabase.drop()
})

beforeEach(async () => {
  await database.prisma.apiKey.deleteMany()
  apiKeys = openApiKeys(database.prisma, noKeys)
})

describe('keys in the database', () => {
  test('A key is made with 160 random bits, shown once, and kept only as its SHA-256', async () => {
    const created = await apiKeys.create(newKey)
    expect(created.key).toMatch(/^ap_[A-Za-z0-9_-]{27}$/)
    expect(created.prefix).toBe(created.key.slice(0, 8))

    const row = await database.prisma.apiKey.findUniqueOrThrow({ where: { id: created.id } })
    expect(row.hash).toBe(hash('sha256', created.key))
    expect(JSON.stringify(row)).not.toContain(created.key)
    expect(row.scopes).toEqual(['upload', 'read'])
    expect(row.expiresAt).toBeNull()
  })

  test('Keys that ended are forgotten after their time; living ones never are', async () => {
    const made = [await apiKeys.create(newKey), await apiKeys.create(newKey), await apiKeys.create(newKey)]
    const [revoked, expired, living] = made.map(({ id }) => id)
    await withConnection(testDatabase.databaseUrl, async (client) => {
      await client.query(`UPDATE api_keys SET revoked_at = now() - interval '61 s' WHERE id = $1`, [revoked])
      await client.query(`UPDATE api_keys SET expires_at = now() - interval '59 s' WHERE id = $1`, [expired])
    })
    await apiKeys.forgetOld(60)
    const left = (await apiKeys.list()).map(({ id }) => id)
    expect([revoked, expired, living].map((id) => left.includes(id ?? ''))).toEqual([false, true, true])
  })

  test('A key is its owner with its scopes; anything else is nobody', async () => {
    const { key, id } = await apiKeys.create(newKey)
    expect(await apiKeys.identify(key)).toEqual({
      owner: 'lter-ntl',
      scopes: new Set(['upload', 'read']),
      groups: [],
      keyId: id,
    })
    for (const wrong of ['', key.slice(0, -1), `${key}a`, key.toUpperCase(), hash('sha256', key)]) {
      expect(await apiKeys.identify(wrong)).toBeUndefined()
    }
  })

  test('A scope that this version does not know grants nothing', async () => {
    const { key, id } = await apiKeys.create(newKey)
    await database.prisma.apiKey.update({ where: { id }, data: { scopes: ['read', 'fly'] } })
    expect((await apiKeys.identify(key))?.scopes).toEqual(new Set(['read']))
  })

  test('A revoked key is refused at once where it is not cached, and within 5 seconds where it is', async () => {
    const { key, id } = await apiKeys.create(newKey)
    const elsewhere = openApiKeys(database.prisma, noKeys)
    expect(await elsewhere.identify(key)).toBeDefined()
    await apiKeys.revoke(id)
    expect(await apiKeys.identify(key)).toBeUndefined()
    await sleep(5_050)
    expect(await elsewhere.identify(key)).toBeUndefined()
  })

  test('A key expires by the database clock, cached or not', async () => {
    const { key } = await apiKeys.create({ ...newKey, ttlSeconds: 1 })
    expect(await apiKeys.identify(key)).toBeDefined()
    await sleep(1_050)
    expect(await apiKeys.identify(key)).toBeUndefined()
    expect((await apiKeys.list())[0]).toMatchObject({ isExpired: true, revokedAt: null })
  })

  test('Many requests with one key ask the database once', async () => {
    const { key } = await apiKeys.create(newKey)
    let queries = 0
    const counting = new Proxy(database.prisma, {
      get(target, property) {
        if (property === '$queryRaw') queries++
        return Reflect.get(target, property)
      },
    })
    const counted = openApiKeys(counting, noKeys)
    const identities = await Promise.all(Array.from({ length: 50 }, () => counted.identify(key)))
    expect(identities.every((identity) => identity?.owner === 'lter-ntl')).toBe(true)
    await counted.identify(key)
    expect(queries).toBe(1)
  })

  test('A revocation holds from then on, even when the key was just being looked up', async () => {
    const { key, id } = await apiKeys.create(newKey)
    const turns = new EventEmitter()
    const found = once(turns, 'found')
    let isSlow = true
    const slow = new Proxy(database.prisma, {
      get(target, property) {
        if (property !== '$queryRaw' || !isSlow) return Reflect.get(target, property)
        isSlow = false
        return async (strings: TemplateStringsArray, ...values: unknown[]) => {
          const rows = await target.$queryRaw(strings, ...values)
          const goOn = once(turns, 'go on')
          turns.emit('found')
          await goOn
          return rows
        }
      },
    })
    const keys = openApiKeys(slow, noKeys)
    const before = keys.identify(key)
    await found
    await keys.revokeById(id, anActor('somebody'))
    const after = keys.identify(key)
    turns.emit('go on')
    expect(await before).toBeDefined()
    expect(await after).toBeUndefined()
    expect(await keys.identify(key)).toBeUndefined()
  })

  test('A key is revoked by its id, its prefix or itself, twice without harm', async () => {
    const byId = await apiKeys.create(newKey)
    const byPrefix = await apiKeys.create(newKey)
    const byKey = await apiKeys.create(newKey)
    const kept = await apiKeys.create(newKey)
    const first = await apiKeys.revoke(byId.id)
    expect(first.revokedAt).not.toBeNull()
    expect((await apiKeys.revoke(byId.id)).revokedAt).toEqual(first.revokedAt)
    await apiKeys.revoke(byPrefix.prefix)
    await apiKeys.revoke(byKey.key)
    const active = (await apiKeys.list()).filter(({ revokedAt }) => revokedAt === null)
    expect(active.map(({ id }) => id)).toEqual([kept.id])
  })

  test('Revoking what is unknown is NOT_FOUND, what is ambiguous CONFLICT, and nothing is revoked', async () => {
    const one = await apiKeys.create(newKey)
    const two = await apiKeys.create(newKey)
    await database.prisma.apiKey.updateMany({ data: { prefix: 'ap_same1' } })
    await expect(apiKeys.revoke('ap_none1')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(apiKeys.revoke('')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const ambiguous = apiKeys.revoke('ap_same1')
    await expect(ambiguous).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(ambiguous).rejects.toThrow(one.id)
    await expect(ambiguous).rejects.toThrow(two.id)
    expect((await apiKeys.list()).every(({ revokedAt }) => revokedAt === null)).toBe(true)
  })

  test('While the database is away an unknown key is UNAVAILABLE, not refused', async () => {
    const url = new URL(testDatabase.databaseUrl)
    url.port = '1'
    const unreachable = await openDatabase(url.href)
    try {
      const keys = openApiKeys(unreachable.prisma, { ...noKeys, read: ['configured-key-1'] })
      await expect(keys.identify('some-other-key')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      // And a key that needs no database goes on working.
      expect(await keys.identify('configured-key-1')).toMatchObject({ owner: 'default' })
    } finally {
      await unreachable.close()
    }
  })

  test('A key that was found is believed for 5 seconds even while the database is away, and no longer', async () => {
    const { key } = await apiKeys.create(newKey)
    let isAway = false
    const flaky = new Proxy(database.prisma, {
      get(target, property) {
        if (isAway && property === '$queryRaw') return () => Promise.reject(new Error('away'))
        return Reflect.get(target, property)
      },
    })
    const keys = openApiKeys(flaky, noKeys)
    await keys.identify(key)
    isAway = true
    expect(await keys.identify(key)).toBeDefined()
    await sleep(5_050)
    await expect(keys.identify(key)).rejects.toThrow('away')
    isAway = false
    expect(await keys.identify(key)).toBeDefined()
  })
})

describe('keys in the configuration', () => {
  test('A key has the scopes of the lists it is in, and belongs to "default"', async () => {
    const keys = openApiKeys(database.prisma, {
      upload: ['key-of-uploader', 'key-for-both'],
      read: ['key-of-reader', 'key-for-both'],
      delete: [],
    })
    expect(await keys.identify('key-of-uploader')).toEqual({ owner: 'default', scopes: new Set(['upload']) })
    expect(await keys.identify('key-for-both')).toEqual({
      owner: 'default',
      scopes: new Set(['upload', 'read']),
    })
    expect((await keys.identify('key-of-reader'))?.scopes).toEqual(new Set(['read']))
    expect(await keys.identify('key-of-nobody')).toBeUndefined()
    expect(await keys.identify('')).toBeUndefined()
  })
})

describe('npm run keys', () => {
  async function run(...argv: string[]): Promise<string[]> {
    const lines: string[] = []
    await runKeysCommand(argv, apiKeys, (line) => lines.push(line))
    return lines
  }

  test('create prints a key that works, once, and says how to revoke it', async () => {
    const lines = await run(
      'create',
      '--name',
      'CI',
      '--scopes',
      'read, delete',
      '--owner',
      'ci',
      '--expires',
      '90d',
    )
    const key = lines[0]!
    expect(await apiKeys.identify(key)).toMatchObject({ owner: 'ci', scopes: new Set(['read', 'delete']) })
    const [record] = await apiKeys.list()
    expect(lines.join('\n')).toContain(`revoke ${record!.id}`)
    const ttlDays = (record!.expiresAt!.getTime() - record!.createdAt.getTime()) / 86_400_000
    expect(ttlDays).toBeCloseTo(90, 5)
    expect((await run('list')).join('\n')).not.toContain(key)
  })

  test('create without options may upload, read and delete, and never expires', async () => {
    const [key] = await run('create')
    expect((await apiKeys.identify(key!))?.scopes).toEqual(new Set(['upload', 'read', 'delete']))
    expect(await apiKeys.list()).toMatchObject([{ owner: 'default', expiresAt: null }])
  })

  test('list shows what is active, expired and revoked in aligned columns', async () => {
    expect(await run('list')).toEqual(['There are no keys yet.'])
    await run('create', '--name', 'short-lived', '--expires', '1s')
    await run('create', '--name', 'kept')
    const [revoked] = await run('create', '--name', 'leaked')
    await run('revoke', revoked!.slice(0, 8))
    await sleep(1_050)
    const [header, ...rows] = await run('list')
    const cells = (row: string) => [row.slice(header!.indexOf('NAME')), row.slice(header!.indexOf('STATE'))]
    // Keys made within one millisecond have no order.
    expect(
      new Map(rows.map((row) => cells(row).map((cell) => cell.split(' ')[0]) as [string, string])),
    ).toEqual(
      new Map([
        ['short-lived', 'expired'],
        ['kept', 'active'],
        ['leaked', 'revoked'],
      ]),
    )
  })

  test.each([
    [[], 'Say what to do.'],
    [['make'], 'There is no command "make".'],
    [['create', '--nmae', 'x'], '--nmae'],
    [['create', 'extra'], 'extra'],
    [['create', '--scopes', 'read,fly'], 'not "read,fly"'],
    [['create', '--scopes', ''], '--scopes'],
    [['create', '--expires', '90'], 'not "90"'],
    [['create', '--expires', '0d'], 'not "0d"'],
    [['create', '--owner', 'two words'], '--owner'],
    [['create', '--name', 'a\nb'], '--name'],
    [['list', '--all'], '"list"'],
    [['revoke'], '"revoke"'],
    [['revoke', 'a', 'b'], '"revoke"'],
  ])('%j is refused with the reason and the usage, and nothing is made', async (argv, reason) => {
    await expect(run(...argv)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(run(...argv)).rejects.toThrow(reason)
    await expect(run(...argv)).rejects.toThrow('Usage:')
    expect(await apiKeys.list()).toEqual([])
  })

  test('Revoking what is unknown says so', async () => {
    await expect(run('revoke', 'nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('--help prints the usage', async () => {
    expect((await run('--help')).join('')).toContain('npm run keys -- create')
  })
})
