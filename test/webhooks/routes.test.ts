import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import type { z } from 'zod'
import { authenticate } from '../../server/auth/bearer.js'
import { anonymousReader, type Identity, type Scope } from '../../server/auth/identity.js'
import { allowedMethods } from '../../server/http/allowed-methods.js'
import { pageAnswer } from '../../server/http/pages.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { noSuchRoute, problemHandler } from '../../server/problem.js'
import {
  deliveryAnswer,
  newWebhookAnswer,
  webhookAnswer,
  webhookOperations,
} from '../../server/webhooks/operations.js'
import { webhookRoutes } from '../../server/webhooks/routes.js'
import { Ground, newSender, type SenderSettings } from './ground.js'
import { type Receiver, startReceiver } from './receiver.js'
import { isGenuine } from './verify.js'

function identity(owner: string, ...scopes: Scope[]): Identity {
  return { owner, scopes: new Set(scopes) }
}

const KEYS: Record<string, Identity> = {
  mine: identity('mine', 'upload', 'read', 'delete'),
  theirs: identity('theirs', 'upload', 'read', 'delete'),
  admin: identity('operator', 'admin'),
  reader: identity('mine', 'read'),
  uploader: identity('mine', 'upload'),
}

let ground: Ground
let receiver: Receiver
let wakes: number

beforeAll(async () => {
  ground = await Ground.open()
})

beforeEach(async () => {
  receiver = await startReceiver()
  wakes = 0
})

afterEach(async () => {
  await ground.reset()
  await receiver.close()
})

afterAll(() => ground.close())

function appWith({
  anonRead = false,
  ...settings
}: { anonRead?: boolean } & SenderSettings = {}): express.Express {
  const app = express()
  app.set('query parser', 'simple')
  app.use(requestId)
  const { records, events } = ground
  const identify = async (key: string) => KEYS[key]
  const dispatcher = {
    wake() {
      wakes += 1
    },
  }
  const publicUrl = () => 'https://antipasto.example'
  const routes = webhookRoutes({ records, events, sender: newSender(settings), dispatcher, publicUrl })
  app.use('/webhooks', authenticate({ identify, anonRead }), routes)
  app.use(allowedMethods(webhookOperations))
  app.use(noSuchRoute)
  app.use(problemHandler(createLog({ level: 'silent' })))
  return app
}

/** A request with somebody's key. */
function as(key: string, settings: SenderSettings = {}) {
  const app = appWith(settings)
  const call = (method: 'get' | 'post' | 'put' | 'delete') => (path: string) =>
    request(app)[method](path).set('Authorization', `Bearer ${key}`)
  return { get: call('get'), post: call('post'), put: call('put'), delete: call('delete') }
}

async function make(key: string, body: object = {}): Promise<z.output<typeof newWebhookAnswer>> {
  const answer = await as(key)
    .post('/webhooks')
    .send({ url: receiver.url, ...body })
  expect(answer.status).toBe(201)
  return newWebhookAnswer.parse(answer.body)
}

describe('POST /webhooks', () => {
  test('makes one, shows its secret once, and wakes the dispatcher', async () => {
    const answer = await as('mine').post('/webhooks').send({ url: receiver.url })
    expect(answer.status).toBe(201)
    const { id, secret } = newWebhookAnswer.strict().parse(answer.body)
    expect(answer.headers.location).toBe(`https://antipasto.example/webhooks/${id}`)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(answer.body).toMatchObject({ url: receiver.url, events: ['*'], owner: 'mine', sees_all: false })
    expect(wakes).toBe(1)

    for (const path of ['/webhooks', `/webhooks/${id}`]) {
      const shown = await as('mine').get(path)
      expect(shown.status).toBe(200)
      expect(shown.text).toContain(id)
      expect(shown.text).not.toContain(secret)
      expect(shown.text).not.toContain('secret')
    }
  })

  test('takes a secret and types as they are given, each type once', async () => {
    const events = ['package.finalized.v1', 'upload.ready.v1', 'package.finalized.v1']
    const made = await make('mine', { secret: 'sixteen letters.', events })
    expect(made).toMatchObject({
      secret: 'sixteen letters.',
      events: ['package.finalized.v1', 'upload.ready.v1'],
    })
  })

  test('made by an administrator sees all', async () => {
    expect(await make('admin')).toMatchObject({ owner: 'operator', sees_all: true })
  })

  test('begins behind what was committed, even if nobody had read it', async () => {
    await ground.tell({ owner: 'mine', count: 3 })
    const { id } = await make('mine')
    await ground.tell({ owner: 'mine' })
    ground.dispatch()
    await receiver.hasReceived(1)
    const deliveries = await ground.deliveriesWhen(id, ([one]) => one?.state === 'delivered')
    expect(deliveries).toHaveLength(1)
  })

  test.each([
    [{}, 'url'],
    [{ url: 5 }, 'url'],
    [{ url: null }, 'url'],
    [{ url: `https://example.org/${'x'.repeat(2_000)}` }, 'url'],
    [{ url: 'ftp://example.org' }, 'https://'],
    [{ url: 'https://user:pw@example.org' }, 'user or password'],
    [{ url: 'https://example.org/#x' }, 'fragment'],
    [{ url: 'https://nobody.invalid/' }, "doesn't resolve"],
    [{ events: [] }, 'events'],
    [{ events: 'upload.ready.v1' }, 'events'],
    [{ events: ['upload.redy.v1'] }, 'events.0'],
    [{ events: ['webhook.ping.v1'] }, 'events.0'],
    [{ events: Array(1_000).fill('*') }, 'events'],
    [{ secret: 'short' }, '16 to 256'],
    [{ secret: 'x'.repeat(257) }, 'secret'],
    [{ secret: 'whsec_notbase64!notbase64' }, 'base64'],
    [{ secret: null }, 'secret'],
    [{ colour: 'red' }, 'colour'],
    [[], 'body'],
  ])('%j is refused, with %s in the detail, and nothing is made', async (body, told) => {
    const whole =
      Array.isArray(body) || 'url' in body || told === 'url' ? body : { url: receiver.url, ...body }
    const resolve = async (name: string) => {
      throw new Error(`ENOTFOUND ${name}`)
    }
    const answer = await as('mine', { resolve }).post('/webhooks').send(whole)
    expect(answer.status).toBe(400)
    expect(answer.body.code).toBe('INVALID_INPUT')
    expect(answer.body.detail).toContain(told)
    expect((await ground.query('SELECT * FROM webhooks')).rows).toEqual([])
  })

  test.each([
    ['application/json', '{"url":', 400, 'INVALID_INPUT'],
    ['application/json', `${'{"a":'.repeat(2_500)}1${'}'.repeat(2_500)}`, 400, 'INVALID_INPUT'],
    ['application/json', JSON.stringify({ url: 'x'.repeat(1_000_000) }), 413, 'PAYLOAD_TOO_LARGE'],
    ['text/plain', 'url=https://example.org', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['application/x-www-form-urlencoded', 'url=https://example.org', 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ])('a body of %s that is no webhook is refused', async (type, body, status, code) => {
    const answer = await as('mine').post('/webhooks').set('Content-Type', type).send(body)
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })

  test.each([
    ...[
      '127.0.0.1',
      '2130706433',
      '0177.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      'localhost',
      '169.254.169.254',
    ],
    ...['10.0.0.1', 'inside.example'],
  ])('http://%s/ is refused where private addresses are', async (host) => {
    const resolve = async () => [{ address: '192.168.0.7', family: 4 }]
    const sender = { allowsPrivate: false, ...(host === 'inside.example' ? { resolve } : {}) }
    const answer = await as('mine', sender)
      .post('/webhooks')
      .send({ url: `http://${host}:${receiver.port}/` })
    expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_INPUT'])
    expect(answer.body.detail).toContain('private, loopback or reserved address')
    expect((await ground.query('SELECT * FROM webhooks')).rows).toEqual([])
  })

  test('20 are enough for an owner, also when they are made at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 25 }, () => as('mine').post('/webhooks').send({ url: receiver.url })),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([...Array(20).fill(201), ...Array(5).fill(409)])
    const refused = answers.find(({ status }) => status === 409)
    expect(refused?.body).toMatchObject({ code: 'CONFLICT', detail: expect.stringContaining('Delete one') })
    await make('theirs')
  })
})

describe('whose they are', () => {
  test('Another owner finds what never was, byte for byte', async () => {
    const { id } = await make('mine')
    const never = 'f'.repeat(40)
    const calls = [
      (one: string) => as('theirs').get(`/webhooks/${one}`),
      (one: string) => as('theirs').get(`/webhooks/${one}/deliveries`),
      (one: string) => as('theirs').delete(`/webhooks/${one}`),
      (one: string) => as('theirs').post(`/webhooks/${one}/ping`),
    ]
    for (const call of calls) {
      const [theirs, nobodys] = [await call(id), await call(never)]
      expect(theirs.status).toBe(404)
      const withoutIds = (body: Record<string, unknown>) => ({ ...body, instance: '', request_id: '' })
      expect(withoutIds(theirs.body)).toEqual(withoutIds(nobodys.body))
    }
    expect((await as('theirs').get('/webhooks')).body.items).toEqual([])
    expect((await as('mine').get(`/webhooks/${id}`)).status).toBe(200)
    expect(receiver.received).toEqual([])
  })

  test('An administrator sees and deletes all', async () => {
    const { id } = await make('mine')
    expect((await as('admin').get('/webhooks')).body.items).toHaveLength(1)
    expect((await as('admin').delete(`/webhooks/${id}`)).status).toBe(204)
    expect((await as('mine').get(`/webhooks/${id}`)).status).toBe(404)
  })

  test('Whoever reads without a credential sees none: a URL may be a secret', async () => {
    await make('mine')
    const app = appWith({ anonRead: true })
    expect(anonymousReader.seesAll).toBe(true)
    for (const path of ['/webhooks', `/webhooks/${'f'.repeat(40)}`]) {
      const answer = await request(app).get(path)
      expect([answer.status, answer.body.code]).toEqual([401, 'UNAUTHORIZED'])
    }
  })

  test.each([
    ['reader', 'post', '/webhooks', 'upload'],
    ['uploader', 'get', '/webhooks', 'read'],
    ['uploader', 'get', '/webhooks/x', 'read'],
    ['uploader', 'delete', '/webhooks/x', 'delete'],
    ['uploader', 'get', '/webhooks/x/deliveries', 'read'],
    ['reader', 'post', '/webhooks/x/ping', 'upload'],
  ] as const)('The %s may not %s %s: it takes the scope %s', async (key, method, path, scope) => {
    const answer = await as(key)[method](path)
    expect([answer.status, answer.body.details.missing_scope]).toEqual([403, scope])
  })

  test.each([
    ['put', '/webhooks', 'GET, HEAD, POST'],
    ['put', '/webhooks/x', 'DELETE, GET, HEAD'],
    ['post', '/webhooks/x', 'DELETE, GET, HEAD'],
    ['delete', '/webhooks/x/deliveries', 'GET, HEAD'],
    ['get', '/webhooks/x/ping', 'POST'],
  ] as const)('%s %s means nothing', async (method, path, allow) => {
    const answer = await as('mine')[method](path)
    expect([answer.status, answer.headers.allow]).toEqual([405, allow])
  })

  test('Whatever an id looks like, it is nothing more than unknown', async () => {
    for (const id of ['x', "'; DROP TABLE webhooks", '%00', '..%2f..%2fetc', 'é'.repeat(500)]) {
      const answer = await as('mine').get(
        `/webhooks/${id.startsWith('%') || id.startsWith('.') ? id : encodeURIComponent(id)}`,
      )
      expect([id, answer.status]).toEqual([id, 404])
    }
  })
})

test('DELETE ends it: 204, and 404 from then on', async () => {
  const { id } = await make('mine')
  expect((await as('mine').delete(`/webhooks/${id}`)).status).toBe(204)
  expect((await as('mine').delete(`/webhooks/${id}`)).status).toBe(404)
  expect((await as('mine').get('/webhooks')).body).toEqual({ items: [], next_cursor: null })
})

describe('lists', () => {
  /** Every page of a list, by its links. */
  async function walk(path: string, item: z.ZodType): Promise<unknown[][]> {
    const pages: unknown[][] = []
    for (let next: string | undefined = path; next !== undefined; ) {
      const answer = await as('mine').get(next)
      expect(answer.status).toBe(200)
      const page = pageAnswer(item).parse(answer.body)
      pages.push(page.items)
      const link: string | undefined = /^<https:\/\/antipasto\.example(.+)>; rel="next"$/.exec(
        answer.headers.link ?? '',
      )?.[1]
      expect(link === undefined).toBe(page.next_cursor === null)
      next = link
    }
    return pages
  }

  test('of webhooks come newest first, in pages that lose none and repeat none', async () => {
    const made = []
    for (let i = 0; i < 7; i += 1) made.push((await make('mine')).id)
    await make('theirs')
    const pages = await walk('/webhooks?limit=3', webhookAnswer.strict())
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1])
    expect(pages.flat()).toMatchObject(made.reverse().map((id) => ({ id })))
  })

  test('of deliveries come newest first, in order also within one moment', async () => {
    const { id } = await make('mine')
    await ground.tell({ owner: 'mine', count: 25 })
    ground.dispatch()
    await ground.deliveriesWhen(
      id,
      (all) => all.length === 25 && all.every((one) => one.state === 'delivered'),
    )
    const pages = await walk(`/webhooks/${id}/deliveries?limit=10`, deliveryAnswer.strict())
    expect(pages.map((page) => page.length)).toEqual([10, 10, 5])
    const sequences = deliveryAnswer
      .array()
      .parse(pages.flat())
      .map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted((a, b) => b! - a!))
    expect(pages.flat()[0]).toMatchObject({
      state: 'delivered',
      status: 204,
      attempts: 1,
      next_attempt_at: null,
    })
  })

  test.each([
    'limit=0',
    'limit=501',
    'limit=-1',
    'limit=ten',
    'limit=1&limit=2',
    'limt=5',
    'cursor=',
    'cursor=bm90IG91cnM',
    `cursor=${Buffer.from('["webhooks","yesterday","x"]').toString('base64url')}`,
    `cursor=${Buffer.from(JSON.stringify(['deliveries', '2026-01-01T00:00:00.000Z', 'a'.repeat(40)])).toString('base64url')}`,
    `cursor=${'x'.repeat(501)}`,
  ])('refuse ?%s', async (query) => {
    const answer = await as('mine').get(`/webhooks?${query}`)
    expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_INPUT'])
  })
})

describe('POST /webhooks/{id}/ping', () => {
  test('sends a signed test at once and answers what came of it', async () => {
    const { id, secret } = await make('mine')
    const answer = await as('mine').post(`/webhooks/${id}/ping`)
    expect(answer.status).toBe(200)
    const delivery = deliveryAnswer.strict().parse(answer.body)
    expect(delivery).toMatchObject({
      ...{
        sequence: null,
        type: 'webhook.ping.v1',
        state: 'delivered',
        attempts: 1,
        status: 204,
        error: null,
      },
      next_attempt_at: null,
    })
    const [received] = receiver.received
    expect(isGenuine(received!, secret)).toBe(true)
    expect(JSON.parse(received!.body)).toEqual({
      ...{ sequence: null, type: 'webhook.ping.v1', at: expect.any(String), owner: 'mine' },
      ...{ upload_id: null, package_id: null, data: {}, delivery_id: delivery.id, webhook_id: id },
    })
    expect((await as('mine').get(`/webhooks/${id}/deliveries`)).body.items).toEqual([answer.body])
  })

  test.each([
    [301, 'Redirects are not followed'],
    [500, 'Answered 500'],
  ])('that is answered %i has failed, and is not tried again', async (status, error) => {
    receiver.behave((response) => void response.writeHead(status, { Location: '/' }).end())
    const { id } = await make('mine')
    ground.dispatch()
    const answer = await as('mine').post(`/webhooks/${id}/ping`)
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ state: 'failed', status, error: expect.stringContaining(error) })
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(receiver.received).toHaveLength(1)
  })

  test('to a name that leads to a private address now has failed, and nothing connects', async () => {
    const { id } = await make('mine')
    const answer = await as('mine', { allowsPrivate: false }).post(`/webhooks/${id}/ping`)
    expect(answer.body).toMatchObject({
      state: 'failed',
      status: null,
      error: expect.stringContaining('private'),
    })
    expect(receiver.received).toEqual([])
  })

  test('of a webhook that is deleted meanwhile is 404', async () => {
    const { id } = await make('mine')
    receiver.behave(async (response) => {
      await as('mine').delete(`/webhooks/${id}`)
      response.writeHead(204).end()
    })
    expect((await as('mine').post(`/webhooks/${id}/ping`)).status).toBe(404)
  })

  test('is one of 8 at a time; the ninth comes again later', async () => {
    const app = appWith()
    const held: (() => void)[] = []
    receiver.behave((response) => void held.push(() => response.writeHead(204).end()))
    const { id } = await make('mine')
    const ping = () => request(app).post(`/webhooks/${id}/ping`).set('Authorization', 'Bearer mine')
    const running = Array.from({ length: 8 }, () => ping().then((answer) => answer.status))
    await receiver.hasReceived(8)
    const ninth = await ping()
    expect([ninth.status, ninth.body.code, ninth.headers['retry-after']]).toEqual([503, 'UNAVAILABLE', '10'])
    for (const answer of held) answer()
    expect(await Promise.all(running)).toEqual(Array(8).fill(200))
    receiver.behave((response) => void response.writeHead(204).end())
    expect((await ping()).status).toBe(200)
  })
})

test('every operation has its route, an id of its own, and what documentation needs', () => {
  expect(new Set(webhookOperations.map(({ id }) => id)).size).toBe(6)
  for (const { method, path, scope } of webhookOperations) {
    expect(scope).toBe({ get: 'read', post: 'upload', delete: 'delete' }[String(method)])
    expect(path).toMatch(/^\/webhooks(\/\{id\}(\/(deliveries|ping))?)?$/)
  }
})
