// Who did what: the events that are kept for a year, and forgotten then.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { type Database, openDatabase } from '../../server/database/client.js'
import type { EventRecord } from '../../server/events/event.js'
import { eventSchema } from '../../server/events/operations.js'
import { EventOrder } from '../../server/events/order.js'
import { Sweep } from '../../server/sweep/sweep.js'
import type { Ask } from '../openapi/exchange.js'
import { aDescription, openPackageInstance, type PackageInstance } from '../packages/ground.js'
import { jsonOf, type Keys, keysOf, type Person } from '../rights/ground.js'
import { startServer, type TestServer } from '../support/server.js'
import { aBody, aFile, type Ground, letExpire, newGround, uploaderNamed } from '../uploads/parts.js'

describe('who did it', () => {
  let server: TestServer
  let keys: Keys
  let ada: Person
  let admin: Person
  /** By the name of the owner. */
  let keyIds: Map<string, string>

  beforeAll(async () => {
    server = await startServer()
    keys = await keysOf(server)
    ada = await keys.make('ada')
    admin = await keys.make('the-admin', ['admin'])
    keyIds = new Map()
    for (const who of [ada, admin]) {
      keyIds.set(who.owner, (await who.get<{ key_id: string }>('/me')).key_id)
    }
  })

  afterAll(async () => {
    await keys?.close()
    await server?.dispose()
  })

  async function events(): Promise<EventRecord[]> {
    const { events } = await admin.get<{ events: EventRecord[] }>('/events?limit=1000')
    return events
  }

  let count = 0

  interface Deed {
    name: string
    /** Makes what it is about, as its owner. @returns the request, and the event it makes */
    prepare(): Promise<{ ask: Ask; type: string; about: Partial<EventRecord>; data?: object }>
    /** What the same request answers again. */
    again: number
  }

  const json = (method: string, target: string, body: unknown, type = 'application/json'): Ask => {
    return { method, target, headers: { 'Content-Type': type }, body: JSON.stringify(body) }
  }
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const file = async () => {
    count += 1
    return (await ada.put(`/files?filename=${count}`, `content ${count}`)).upload_id
  }
  const made = async (target: string, body: unknown) =>
    jsonOf<{ id: string }>(await ada.json('POST', target, body)).id
  const endOf = (id: string): Ask => ({ method: 'DELETE', target: `/uploads/${id}` })

  const DEEDS: readonly Deed[] = [
    {
      name: 'deletes an upload',
      async prepare() {
        const id = await file()
        return { ask: endOf(id), type: 'upload.deleted.v1', about: { upload_id: id, owner: 'ada' } }
      },
      again: 410,
    },
    {
      name: 'cancels an upload',
      async prepare() {
        const id = await made('/uploads', { filename: 'a.csv' })
        return { ask: endOf(id), type: 'upload.canceled.v1', about: { upload_id: id, owner: 'ada' } }
      },
      again: 410,
    },
    {
      name: 'extends an upload',
      async prepare() {
        const id = await file()
        const end = inDays(60)
        return {
          ask: json('PATCH', `/uploads/${id}`, { expires_at: end }, 'application/merge-patch+json'),
          type: 'upload.extended.v1',
          about: { upload_id: id, owner: 'ada' },
          data: { expires_at: end },
        }
      },
      again: 200,
    },
    {
      name: 'extends a package',
      async prepare() {
        const id = await made('/packages', { name: 'p' })
        const end = inDays(60)
        return {
          ask: json('POST', `/packages/${id}/retention/extensions`, { new_expires_at: end, reason: 'r' }),
          type: 'package.retention_extended.v1',
          about: { package_id: id, owner: 'ada' },
          data: { expires_at: end },
        }
      },
      again: 400,
    },
    {
      name: 'deletes a package',
      async prepare() {
        const id = await made('/packages', { name: 'p' })
        const ask = { method: 'DELETE', target: `/packages/${id}` }
        return { ask, type: 'package.deleted.v1', about: { package_id: id, owner: 'ada' } }
      },
      again: 410,
    },
    {
      name: 'shares a package',
      async prepare() {
        const id = await made('/packages', { name: 'p' })
        return {
          ask: json('PUT', `/packages/${id}/shares/lter-ntl`, { access: 'write' }),
          type: 'package.shared.v1',
          about: { package_id: id, owner: 'ada' },
          data: { grantee: 'lter-ntl', access: 'write' },
        }
      },
      again: 200,
    },
    {
      name: 'shares a package for something else',
      async prepare() {
        const id = await made('/packages', { name: 'p' })
        await ada.share(id, 'lter-ntl', 'write')
        return {
          ask: json('PUT', `/packages/${id}/shares/lter-ntl`, { access: 'read' }),
          type: 'package.shared.v1',
          about: { package_id: id, owner: 'ada' },
          data: { grantee: 'lter-ntl', access: 'read' },
        }
      },
      again: 200,
    },
    {
      name: 'ends a share',
      async prepare() {
        const id = await made('/packages', { name: 'p' })
        await ada.share(id, 'lter-ntl', 'write')
        return {
          ask: { method: 'DELETE', target: `/packages/${id}/shares/lter-ntl` },
          type: 'package.unshared.v1',
          about: { package_id: id, owner: 'ada' },
          data: { grantee: 'lter-ntl', access: null },
        }
      },
      again: 404,
    },
    {
      name: 'revokes a key',
      async prepare() {
        const id = await made('/api-keys', { name: 'k', scopes: ['read'] })
        return {
          ask: { method: 'DELETE', target: `/api-keys/${id}` },
          type: 'api_key.revoked.v1',
          about: { upload_id: null, package_id: null, owner: 'ada' },
          data: { key_id: id, name: 'k', scopes: ['read'] },
        }
      },
      again: 204,
    },
  ]

  describe.each(DEEDS.map((deed) => [deed.name, deed] as const))('%s', (_, deed) => {
    test.each(['ada', 'the-admin'])('%s: one event tells it, and a second request none', async (name) => {
      const who = name === 'ada' ? ada : admin
      const { ask, type, about, data = {} } = await deed.prepare()
      const before = (await events()).at(-1)?.sequence ?? 0
      const ownEvents = async () => (await events()).filter(({ sequence }) => sequence > before)
      const first = await who.send({ ...ask, headers: { ...ask.headers, 'X-Request-ID': `deed-${count}` } })
      expect(first.status).toBeLessThan(300)
      const told = await ownEvents()
      expect(told).toEqual([
        expect.objectContaining({
          ...about,
          type,
          data: expect.objectContaining({
            ...data,
            by: { owner: name, key_id: keyIds.get(name), request_id: first.headers['x-request-id'] },
          }),
        }),
      ])
      expect(told.map((event) => eventSchema.safeParse(event).error)).toEqual([undefined])
      expect((await who.send(ask)).status).toBe(deed.again)
      expect(await ownEvents()).toEqual(told)
    })
  })

  test('makes a key: for oneself, and an administrator for another, whose event it is', async () => {
    const own = jsonOf<{ id: string }>(await ada.json('POST', '/api-keys', { name: 'own' })).id
    const given = jsonOf<{ id: string; key: string; prefix: string }>(
      await admin.json('POST', '/api-keys', { name: 'given', owner: 'ada', scopes: ['read'] }),
    )
    const told = (await events()).filter(({ type }) => type === 'api_key.created.v1')
    expect(told).toContainEqual(
      expect.objectContaining({
        owner: 'ada',
        data: expect.objectContaining({ key_id: own, by: expect.objectContaining({ owner: 'ada' }) }),
      }),
    )
    expect(told).toContainEqual(
      expect.objectContaining({
        owner: 'ada',
        data: {
          ...{ key_id: given.id, name: 'given', prefix: given.prefix, scopes: ['read'], expires_at: null },
          by: { owner: 'the-admin', key_id: keyIds.get('the-admin'), request_id: expect.any(String) },
        },
      }),
    )
    // Whoever sits at the server has no request.
    expect(told).toContainEqual(
      expect.objectContaining({
        owner: 'the-admin',
        data: expect.objectContaining({ by: { owner: 'operator', key_id: null, request_id: null } }),
      }),
    )
    expect(JSON.stringify(told)).not.toContain(given.key)
  })

  test('deletes a package: each of its files tells who, too', async () => {
    const id = await made('/packages', { name: 'p' })
    for (const name of ['a', 'b']) await ada.put(`/packages/${id}/files?filename=${name}`, name)
    await admin.send({ method: 'DELETE', target: `/packages/${id}` })
    const ends = (await events()).filter((event) => event.package_id === id && /deleted/.test(event.type))
    expect(ends.map(({ type }) => type).sort()).toEqual([
      'package.deleted.v1',
      'upload.deleted.v1',
      'upload.deleted.v1',
    ])
    for (const { data } of ends) expect(data).toMatchObject({ by: { owner: 'the-admin' } })
  })

  test('deletes by content: each upload tells who', async () => {
    const first = await ada.put('/files?filename=one', 'twice')
    await ada.put('/files?filename=two', 'twice')
    await ada.send({ method: 'DELETE', target: `/files/${first.file_id}` })
    const ends = (await events()).filter(
      (event) => event.data.sha256 === first.file_id && /deleted/.test(event.type),
    )
    expect(ends.map(({ data }) => data.by)).toEqual([
      expect.objectContaining({ owner: 'ada' }),
      expect.objectContaining({ owner: 'ada' }),
    ])
  })

  test('two who delete one upload at the same time: one event', async () => {
    const id = await file()
    const answers = await Promise.all([1, 2, 3, 4].map(() => ada.send(endOf(id))))
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 410, 410, 410])
    const ends = (await events()).filter((event) => event.upload_id === id && /deleted/.test(event.type))
    expect(ends).toHaveLength(1)
  })

  test('two who revoke one key at the same time: one event', async () => {
    const id = await made('/api-keys', { name: 'twice', scopes: ['read'] })
    const ask = { method: 'DELETE', target: `/api-keys/${id}` }
    await Promise.all([1, 2, 3, 4].map(() => ada.send(ask)))
    const told = (await events()).filter((event) => event.data.key_id === id && /revoked/.test(event.type))
    expect(told).toHaveLength(1)
  })

  test('what is begun and what is ready tells nobody: who uploads is the owner', async () => {
    const id = await file()
    const told = (await events()).filter((event) => event.upload_id === id)
    expect(told.map(({ type, data }) => [type, data.by])).toEqual([
      ['upload.created.v1', null],
      ['upload.ready.v1', null],
    ])
  })
})

describe('time', () => {
  let ground: Ground
  let instance: PackageInstance
  let database: Database
  let order: EventOrder

  beforeAll(async () => {
    ground = await newGround()
    instance = await openPackageInstance(ground)
    database = await openDatabase(ground.databaseUrl)
    order = new EventOrder(database.prisma)
  })
  afterAll(async () => {
    await database.close()
    await instance.close()
    await ground.dispose()
  })

  function sweepAfter(eventTtlSeconds: number): Sweep {
    return new Sweep({
      ...instance,
      packageEnds: instance.ends,
      events: order,
      apiKeys: { forgetOld: async () => {} },
      eventTtlSeconds,
      log: pino({ level: 'silent' }),
      databaseUrl: ground.databaseUrl,
      tombstoneTtlSeconds: 3600,
      expiryNoticeSeconds: 60,
    })
  }

  test('that is over is nobody’s doing', async () => {
    const bytes = Buffer.from('expires')
    const id = await instance.intake.takeWhole(uploaderNamed('ada'), aFile(7), aBody(bytes))
    const { id: packageId } = await instance.packages.create('ada', aDescription())
    await letExpire(ground, id)
    await ground.rows(`UPDATE packages SET expires_at = now() - interval '1 second' WHERE id = $1`, [
      packageId,
    ])
    await sweepAfter(86_400).run({ isDryRun: false }, () => {})
    await order.give()
    const told = await order.read('ada', 0, Number.MAX_SAFE_INTEGER, 1000)
    expect(
      told.filter(({ type }) => type.includes('expired')).map(({ type, data }) => [type, data.by]),
    ).toEqual(
      expect.arrayContaining([
        ['upload.expired.v1', null],
        ['package.expired.v1', null],
      ]),
    )
  })

  test('forgets events older than EVENT_TTL, thousands of them, but the newest; whoever reads goes on', async () => {
    await ground.rows('TRUNCATE events')
    await ground.rows(`
      INSERT INTO events (type, owner, upload_id, at, data)
      SELECT 'upload.ready.v1', 'ada', 'u', now() - CASE WHEN n <= 2500 THEN interval '3 days' ELSE interval '1 hour' END, '{}'
      FROM generate_series(1, 2600) AS n ORDER BY n`)
    await order.give()
    const { newest } = await order.look()
    await sweepAfter(2 * 86_400).run({ isDryRun: true }, () => {})
    expect(await order.read('ada', 0, newest, 3000)).toHaveLength(2600)
    await sweepAfter(2 * 86_400).run({ isDryRun: false }, () => {})
    const left = await order.read('ada', 0, newest, 3000)
    expect(left).toHaveLength(100)
    // Who was in the middle of what is forgotten goes on with the first that is left.
    expect((await order.read('ada', newest - 1000, newest, 10)).map(({ sequence }) => sequence)).toEqual(
      left.slice(0, 10).map(({ sequence }) => sequence),
    )
    expect((await order.look()).newest).toBe(newest)

    // All are old: the newest stays, so that no sequence is given twice and no reader seems to come from the future.
    await sweepAfter(60).run({ isDryRun: false }, () => {})
    expect((await order.read('ada', 0, newest, 3000)).map(({ sequence }) => sequence)).toEqual([newest])
    await ground.rows(`INSERT INTO events (type, owner, data) VALUES ('upload.ready.v1', 'ada', '{}')`)
    await order.give()
    expect((await order.look()).newest).toBeGreaterThan(newest)
  })

  test('leaves alone what nobody has read yet: an event without its place in the order', async () => {
    await ground.rows('TRUNCATE events')
    await ground.rows(
      `INSERT INTO events (type, owner, at, data) VALUES ('upload.ready.v1', 'ada', now() - interval '9 days', '{}')`,
    )
    await sweepAfter(60).run({ isDryRun: false }, () => {})
    expect(await ground.rows('SELECT * FROM events')).toHaveLength(1)
  })
})
