// Owners are strangers to each other. Every operation of the list is asked here: a new one without a row fails.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { decode } from 'cborg'
import { scopes } from '../../server/auth/identity.js'
import type { Operation } from '../../server/http/operation.js'
import { openApi, operations } from '../../server/openapi.js'
import { CASES, type Case, type Ground, NOBODY, prepare } from '../openapi/cases.js'
import { type Answer, Description } from '../openapi/described.js'
import type { Ask } from '../openapi/exchange.js'
import { startServer, type TestServer } from '../support/server.js'
import { EVERYTHING, jsonOf, type Keys, keysOf, Person, stateOf } from './ground.js'

const description = new Description(openApi('0.0.0'))

/** A ground on which nothing ever was. Ids are as long as real ones, so that answers are, too. */
const NOWHERE: Ground = {
  ...{ ready: NOBODY, other: NOBODY, session: NOBODY, tus: NOBODY, whole: NOBODY, canceled: NOBODY },
  undone: NOBODY,
  ...{ open: NOBODY, finalized: NOBODY, webhook: NOBODY, token: 'A'.repeat(27), sha256: '0'.repeat(64) },
  ...{ apiKey: '00000000-0000-0000-0000-000000000000', manifest: '"m"', manifestJson: '"j"', etag: '"e"' },
}

/** Operations that name nothing which somebody could have. */
const ABOUT_NOTHING: Readonly<Record<string, 'a list' | 'makes something' | 'oneself'>> = {
  listUploads: 'a list',
  listPackages: 'a list',
  listWebhooks: 'a list',
  listApiKeys: 'a list',
  readEvents: 'a list',
  createUpload: 'makes something',
  createFile: 'makes something',
  createPackage: 'makes something',
  createWebhook: 'makes something',
  createApiKey: 'makes something',
  getMe: 'oneself',
}

/** What names something in its body, its query or its headers, which the cases of the document don't do. */
const MORE: readonly Case[] = [
  {
    id: 'createUpload',
    status: 404,
    about: 'a session in a package',
    ask: ({ open }) => ({
      target: '/uploads',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ filename: 'a.csv', package_id: open }),
    }),
  },
  {
    id: 'createUpload',
    status: 404,
    about: 'by tus, in a package',
    ask: ({ open }) => ({ target: '/uploads', headers: tus({ 'Upload-Length': '3' }, { packageId: open }) }),
  },
  {
    id: 'createUpload',
    status: 404,
    about: 'by tus with its bytes, in a package',
    ask: ({ open }) => ({
      target: '/uploads',
      headers: tus(
        { 'Upload-Length': '3', 'Content-Type': 'application/offset+octet-stream' },
        { packageId: open },
      ),
      body: 'abc',
    }),
  },
  {
    id: 'createUpload',
    status: 404,
    about: 'made of parts',
    ask: ({ tus: id }) => ({
      target: '/uploads',
      headers: tus({ 'Upload-Concat': `final;/uploads/${id} /uploads/${id}` }),
    }),
  },
  {
    id: 'createFile',
    status: 404,
    about: 'in a package',
    ask: ({ open }) => ({ target: `/files?filename=a.csv&package_id=${open}`, body: 'abc' }),
  },
  {
    id: 'createFile',
    status: 404,
    about: 'a form, in a package',
    ask: ({ open }) => ({
      target: '/files',
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
      body:
        `--b\r\nContent-Disposition: form-data; name="package_id"\r\n\r\n${open}\r\n` +
        '--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\nform\r\n--b--\r\n',
    }),
  },
  {
    id: 'appendOrChange',
    status: 404,
    about: 'by a method override',
    ask: ({ tus: id }) => ({
      method: 'POST',
      target: `/uploads/${id}`,
      headers: tus({
        'Upload-Offset': '0',
        'Content-Type': 'application/offset+octet-stream',
        'X-HTTP-Method-Override': 'PATCH',
      }),
      body: 'ab',
    }),
  },
  {
    id: 'deleteUpload',
    status: 404,
    about: 'by a method override',
    ask: ({ ready }) => ({
      method: 'POST',
      target: `/uploads/${ready}`,
      headers: { 'X-HTTP-Method-Override': 'DELETE' },
    }),
  },
  {
    id: 'deleteUpload',
    status: 404,
    about: 'so that it can be restored',
    ask: ({ ready }) => ({ target: `/uploads/${ready}?undo_seconds=60` }),
  },
  {
    id: 'deleteUpload',
    status: 404,
    about: 'one that has ended',
    ask: ({ canceled }) => ({ target: `/uploads/${canceled}` }),
  },
]

function tus(headers: Record<string, string>, metadata: Record<string, string> = {}) {
  const pairs = Object.entries(metadata).map(([name, value]) => `${name} ${btoa(value)}`)
  const said = pairs.length === 0 ? {} : { 'Upload-Metadata': pairs.join(',') }
  return { 'Tus-Resumable': '1.0.0', ...headers, ...said }
}

const NAMED_KEY = { headers: { 'Content-Type': 'application/json' }, body: '{"name":"k"}' }

/** The request of a case, on a ground. */
function requestOf(one: Case, ground: Ground): Ask {
  return { method: description.operation(one.id).method.toUpperCase(), ...one.ask(ground) }
}

/** Whether it is about something on the ground: on another one it is another request. */
function isAbout(one: Case, ground: Ground): boolean {
  return JSON.stringify(one.ask(ground)) !== JSON.stringify(one.ask(NOWHERE))
}

/** All that an answer says, without what names the request itself. */
function said({ status, headers, body }: Answer) {
  const { date, 'x-request-id': requestId, ...rest } = headers
  const text = body.toString('utf8')
  const problem = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  const members = Object.entries(problem).map(([name, value]) =>
    name === 'instance' || name === 'request_id' ? [name, 'its own'] : [name, value],
  )
  return { status, headers: rest, body: JSON.stringify(members) }
}

describe('with something of another owner', () => {
  let server: TestServer
  let keys: Keys
  let [mine, stranger, admin]: Person[] = []
  let ground: Ground

  beforeAll(async () => {
    server = await startServer({ env: { WEBHOOK_PRIVATE_ADDRESSES: 'true' } })
    keys = await keysOf(server)
    mine = await keys.make('first-owner')
    stranger = await keys.make('second-owner')
    admin = await keys.make('the-admin', ['admin'])
    ground = await prepare((request) => person(mine).send(request))
    await person(mine).share(ground.open, 'first-group', 'write')
  })

  afterAll(async () => {
    await keys?.close()
    await server?.dispose()
  })

  /** On which every id is one of its own, so that it is seen which cases name any. */
  const NAMED: Ground = Object.assign({}, NOWHERE, {
    ...{
      ready: 'r',
      other: 'o',
      session: 's',
      tus: 't',
      whole: 'w',
      canceled: 'c',
      undone: 'u',
      token: 'k',
      sha256: 'x',
    },
    ...{ open: 'p', finalized: 'f', webhook: 'h', apiKey: 'a' },
  })
  const foreign = [...CASES.filter(({ status }) => status < 400), ...MORE].filter(
    (one) => scopeOf(one.id) !== null && isAbout(one, NAMED),
  )

  test('every operation that needs a credential has a row', () => {
    const asked = new Set(foreign.map(({ id }) => id))
    const missing = operations.filter(
      ({ id, scope }) => scope !== null && !asked.has(id) && ABOUT_NOTHING[id] === undefined,
    )
    expect(missing.map(({ id }) => id)).toEqual([])
    expect(foreign.length).toBeGreaterThan(40)
    // What is said to name nothing names nothing.
    const wrong = operations.filter(({ id, path }) => ABOUT_NOTHING[id] !== undefined && path.includes('{'))
    expect(wrong).toEqual([])
  })

  test.each(foreign.map((one) => [one.id, one.about ?? '', one] as const))(
    '%s %s: 404, as if it had never been, and nothing changes',
    async (_, __, one) => {
      const before = await stateOf(server)
      const theirs = await person(stranger).send(requestOf(one, ground))
      const nothing = await person(stranger).send(requestOf(one, NOWHERE))
      expect(said(theirs)).toEqual(said(nothing))
      expect(theirs.status).toBe(404)
      if (requestOf(one, ground).method !== 'HEAD') {
        expect(JSON.parse(theirs.body.toString('utf8'))).toMatchObject({ code: 'NOT_FOUND', details: {} })
      }
      expect(await stateOf(server)).toEqual(before)
    },
  )

  test('an upload of one’s own is not put into a package of theirs', async () => {
    const owner = person(stranger)
    const { upload_id: id } = await owner.put('/files?filename=own.csv', 'own')
    const complete = (packageId: string) =>
      owner.json('POST', `/uploads/${id}/complete`, { package_id: packageId })
    const theirs = await complete(ground.open)
    expect(said(theirs)).toEqual(said(await complete(NOBODY)))
    expect(theirs.status).toBe(404)
    expect(await owner.get(`/uploads/${id}`)).toMatchObject({ package_id: null })
  })

  test('lists, events, and what one has: none shows anything of theirs', async () => {
    const fresh = await keys.make('third-owner')
    const ids = [...Object.values(ground), 'first-owner', 'first-group'].filter((text) => text.length > 8)
    const lists = [
      '/uploads?limit=500',
      `/uploads?package_id=${ground.open}`,
      `/uploads?q=${ground.ready}`,
      '/uploads?label=lake',
      '/packages?metadata.site=x',
      '/packages',
      '/webhooks',
    ]
    for (const target of lists) {
      const answer = await fresh.send({ method: 'GET', target })
      expect({ target, body: jsonOf(answer) }).toEqual({ target, body: { items: [], next_cursor: null } })
      expect(answer.headers.link).toBeUndefined()
    }
    const answers = [
      await fresh.send({ method: 'GET', target: '/api-keys' }),
      await fresh.send({ method: 'GET', target: '/me' }),
      await fresh.send({
        method: 'GET',
        target: '/events?limit=1000',
        headers: { Accept: 'application/json' },
      }),
      await fresh.send({ method: 'GET', target: '/events', headers: { Accept: 'text/event-stream' } }),
    ]
    const cbor = await fresh.send({ method: 'GET', target: '/events?limit=1000' })
    const texts = [...answers.map(({ body }) => body.toString('utf8')), JSON.stringify(decode(cbor.body))]
    for (const text of texts) {
      expect(text).toContain('third-owner')
      expect(ids.filter((id) => text.includes(id))).toEqual([])
    }
    expect(await fresh.get('/me')).toMatchObject({
      owner: 'third-owner',
      usage: { bytes: 0, files: 0, open_uploads: 0 },
    })
  })

  test('a list goes on only among one’s own, from wherever its cursor comes', async () => {
    const { next_cursor: cursor } = await person(mine).get<{ next_cursor: string }>('/uploads?limit=1')
    const page = await person(stranger).get<{ items: { owner: string }[] }>(`/uploads?cursor=${cursor}`)
    expect(page.items.every(({ owner }) => owner === 'second-owner')).toBe(true)
  })

  test('the same Idempotency-Key begins an upload for each', async () => {
    const begin = (owner: Person) =>
      owner.json('POST', '/uploads', { filename: 'once.csv' }, { 'Idempotency-Key': 'of-everybody' })
    const first = jsonOf<{ id: string }>(await begin(person(mine)))
    const second = await begin(person(stranger))
    expect(second.status).toBe(201)
    expect(jsonOf<{ id: string }>(second).id).not.toBe(first.id)
  })

  describe('an administrator', () => {
    const readings = foreign.filter(
      ({ id, status }) => ['get', 'head'].includes(description.operation(id).method) && status < 400,
    )

    test.each(readings.map((one) => [one.id, one.about ?? '', one] as const))(
      '%s %s: sees what its owner sees',
      async (_, __, one) => {
        const asOwner = await person(mine).send(requestOf(one, ground))
        const asAdmin = await person(admin).send(requestOf(one, ground))
        expect(asAdmin.status).toBe(asOwner.status)
        // Lifetimes are counted down.
        const text = ({ body }: Answer) => body.toString('utf8').replaceAll(/"expires_in":\d+/g, '')
        expect(text(asAdmin)).toBe(text(asOwner))
      },
    )

    test('finds everybody’s in its lists and in the events', async () => {
      const { upload_id: own } = await person(stranger).put('/files?filename=theirs.csv', 'theirs')
      const found = async <T>(target: string) => (await person(admin).get<{ items: T[] }>(target)).items
      const uploads = (await found<{ id: string }>('/uploads?limit=500')).map(({ id }) => id)
      expect(uploads).toEqual(expect.arrayContaining([ground.ready, own]))
      const packages = (await found<{ id: string }>('/packages')).map(({ id }) => id)
      expect(packages).toEqual(expect.arrayContaining([ground.open, ground.finalized]))
      const owners = async (target: string) =>
        new Set((await found<{ owner: string }>(target)).map(({ owner }) => owner))
      expect(await owners('/api-keys?limit=100')).toEqual(
        new Set(['first-owner', 'second-owner', 'third-owner', 'the-admin']),
      )
      expect(await owners('/webhooks')).toEqual(new Set(['first-owner']))
      const { events } = await person(admin).get<{ events: { owner: string }[] }>('/events?limit=1000')
      expect(new Set(events.map(({ owner }) => owner)).size).toBeGreaterThan(2)
    })

    // Last: they use up what the others look at.
    const doings = CASES.filter(
      (one) =>
        scopeOf(one.id) !== null &&
        isAbout(one, NAMED) &&
        !['get', 'head'].includes(description.operation(one.id).method),
    )

    test.each(doings.map((one) => [one.id, one.status, one.about ?? '', one] as const))(
      '%s: %i %s, as its owner',
      async (id, status, _, one) => {
        const answer = await person(admin).send(requestOf(one, ground))
        // By its content only one's own is deleted: a thousand people may have sent the same.
        expect(answer.status).toBe(id === 'deleteFile' ? 404 : status)
      },
    )
  })
})

describe('somebody without a credential', () => {
  let server: TestServer
  let keys: Keys
  let ground: Ground
  let nobody: Person

  beforeAll(async () => {
    server = await startServer({ env: { WEBHOOK_PRIVATE_ADDRESSES: 'true', ANON_READ: 'true' } })
    keys = await keysOf(server)
    const owner = await keys.make('first-owner')
    ground = await prepare((request) => owner.send(request))
    nobody = new Person(server.url, 'anonymous', null)
  })

  afterAll(async () => {
    await keys?.close()
    await server?.dispose()
  })

  /** Who has which keys, and where events are sent, isn't data. */
  const NOT_DATA = /^\/(webhooks|api-keys|me)/
  const asked = CASES.filter(({ id, status }) => status < 400 && scopeOf(id) !== null)

  test.each(asked.map((one) => [one.id, one.about ?? '', one] as const))(
    '%s %s: with ANON_READ reads what is data, and does nothing',
    async (id, _, one) => {
      const before = await stateOf(server)
      const answer = await nobody.send(requestOf(one, ground))
      const { method, path } = description.operation(id)
      const isReading = ['get', 'head'].includes(method) && scopeOf(id) === 'read' && !NOT_DATA.test(path)
      if (isReading) {
        expect(answer.status).toBe(one.status)
      } else {
        expect(answer.status).toBe(['get', 'head'].includes(method) && scopeOf(id) === 'upload' ? 403 : 401)
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer/)
      }
      expect(await stateOf(server)).toEqual(before)
    },
  )
})

describe('a key with one scope', () => {
  let server: TestServer
  let keys: Keys
  let people: Map<string, Person>

  beforeAll(async () => {
    server = await startServer()
    keys = await keysOf(server)
    people = new Map()
    for (const scope of scopes) people.set(scope, await keys.make('somebody', [scope]))
    // There are uploads of the same owner: it isn't for want of them that it is refused.
    const all = await keys.make('somebody', EVERYTHING)
    await all.put('/files?filename=a.csv', 'a')
  })

  afterAll(async () => {
    await keys?.close()
    await server?.dispose()
  })

  const asked = operations.filter(({ scope }) => scope !== null)

  test.each(asked.map((operation) => [operation.id, operation] as const))(
    '%s: may what the scope of the operation says, and else hears which it lacks',
    async (id, operation) => {
      for (const [scope, who] of people) {
        const before = await stateOf(server)
        const answer = await who.send(requestOf(caseOf(id), NOWHERE))
        if (operation.scope === 'any' || scope === operation.scope || scope === 'admin') {
          expect([401, 403]).not.toContain(answer.status)
          continue
        }
        expect({ scope, status: answer.status }).toEqual({ scope, status: 403 })
        expect(answer.headers['www-authenticate']).toBe(
          `Bearer realm="antipasto", error="insufficient_scope", scope="${operation.scope}"`,
        )
        if (operation.method !== 'head') {
          expect(JSON.parse(answer.body.toString('utf8'))).toMatchObject({
            code: 'FORBIDDEN',
            details: { missing_scope: operation.scope },
          })
        }
        expect(await stateOf(server)).toEqual(before)
      }
    },
  )

  test('every key sees itself at /me, with its own scopes', async () => {
    for (const [scope, who] of people) {
      expect(await who.get('/me')).toMatchObject({
        owner: 'somebody',
        aliases: [],
        groups: [],
        scopes: scope === 'admin' ? [...scopes] : [scope],
        key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        expires_at: null,
        usage: { bytes: expect.any(Number), files: expect.any(Number), open_uploads: expect.any(Number) },
        limits: { bytes: null, files: null, open_uploads: null, file_bytes: 5 * 1024 ** 4, rate: null },
      })
    }
  })

  test('one that is bound tells at /me by what, and until when', async () => {
    const bound = await keys.make('bound', ['read'], { groups: ['lter', 'edi'], ttlSeconds: 3600 })
    const me = await bound.get<{ groups: string[]; expires_at: string }>('/me')
    expect(me.groups).toEqual(['lter', 'edi'])
    expect(Math.abs(Date.parse(me.expires_at) - Date.now() - 3_600_000)).toBeLessThan(60_000)
  })
})

function caseOf(id: string): Case {
  // Whatever a key may do, it may make another that may do the same.
  if (id === 'createApiKey') return { id, status: 201, ask: () => ({ target: '/api-keys', ...NAMED_KEY }) }
  const found = CASES.find((one) => one.id === id && one.status < 400)
  if (found === undefined) throw new Error(`${id} has no case of success.`)
  return found
}

function scopeOf(id: string): Operation['scope'] {
  const found = operations.find((operation) => operation.id === id)
  if (found === undefined) throw new Error(`There is no operation ${id}.`)
  return found.scope
}

function person(who: Person | undefined): Person {
  if (who === undefined) throw new Error('They are made before the tests.')
  return who
}
