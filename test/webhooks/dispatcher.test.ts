import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { eventSchema } from '../../server/events/operations.js'
import { createLog } from '../../server/ops/log.js'
import { Ground } from './ground.js'
import { type Received, type Receiver, startReceiver } from './receiver.js'
import { isGenuine } from './verify.js'

/** What a test has for itself: nobody else's webhooks, events or dispatchers. */
interface Apart {
  ground: Ground
  receiver: Receiver
  /** A dispatcher in a process of its own. */
  startChild(): Promise<ChildProcess>
}

/** Most of these tests wait for most of their time: so they wait together, each on a ground of its own. */
function testApart(name: string, act: (apart: Apart) => Promise<void>, timeoutMs = 60_000): void {
  const run = async () => {
    const ground = await Ground.open()
    const receiver = await startReceiver()
    const children: ChildProcess[] = []
    try {
      await act({ ground, receiver, startChild: () => startChild(ground, children) })
    } finally {
      for (const child of children) await kill(child)
      await ground.close()
      await receiver.close()
    }
  }
  test.concurrent(name, run, timeoutMs)
}

interface Body {
  sequence: number
  type: string
  delivery_id: string
  webhook_id: string
  owner: string
}

function bodyOf(received: Received): Body {
  return JSON.parse(received.body)
}

function sequencesOf(received: readonly Received[], webhookId?: string): number[] {
  const bodies = received.map(bodyOf)
  return bodies
    .filter((body) => webhookId === undefined || body.webhook_id === webhookId)
    .map((body) => body.sequence)
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || number > numbers[i - 1]!)
}

async function startChild(ground: Ground, children: ChildProcess[]): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('dispatcher-child.js', import.meta.url))
  const child = spawn(process.execPath, [file, ground.databaseUrl], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await once(child.stdout!, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

describe('what happens is delivered', () => {
  testApart('signed, whole, once, in order, and recorded', async ({ ground, receiver }) => {
    const webhook = await ground.addWebhook(receiver.url)
    ground.dispatch()
    await ground.tell({ count: 25 })
    await receiver.hasReceived(25)
    const deliveries = await ground.deliveriesWhen(webhook.id, (all) =>
      all.every((one) => one.state === 'delivered'),
    )
    await sleep(700)
    expect(receiver.received).toHaveLength(25)

    const sequences = sequencesOf(receiver.received)
    expect(isSorted(sequences)).toBe(true)
    expect(deliveries.map((one) => one.sequence)).toEqual(sequences.toReversed())
    for (const received of receiver.received) {
      expect(isGenuine(received, webhook.secret)).toBe(true)
      const { delivery_id: deliveryId, webhook_id: webhookId, ...event } = JSON.parse(received.body)
      expect(webhookId).toBe(webhook.id)
      expect(deliveryId).toBe(received.headers['webhook-id'])
      expect(event).toEqual(eventSchema.parse(event))
    }
    expect(deliveries[0]).toMatchObject({ attempts: 1, status: 204, error: null, type: 'upload.ready.v1' })
    expect(deliveries[0]?.deliveredAt).toBeInstanceOf(Date)
  })

  testApart(
    'to whom it belongs: the owner, and who sees all; of the types that are wanted',
    async ({ ground, receiver }) => {
      const mine = await ground.addWebhook(receiver.url, { owner: 'mine' })
      const finalized = await ground.addWebhook(receiver.url, {
        owner: 'mine',
        events: ['package.finalized.v1'],
      })
      const theirs = await ground.addWebhook(receiver.url, { owner: 'theirs' })
      const everybodys = await ground.addWebhook(receiver.url, { owner: 'operator', seesAll: true })
      ground.dispatch()
      await ground.tell({ owner: 'mine' })
      await ground.tell({ owner: 'theirs' })
      await ground.tell({ owner: 'mine', type: 'package.finalized.v1' })
      await receiver.hasReceived(7)
      await sleep(700)
      const told = (id: string) =>
        receiver.received
          .map(bodyOf)
          .filter((body) => body.webhook_id === id)
          .map((body) => `${body.owner} ${body.type}`)
      expect(told(mine.id)).toEqual(['mine upload.ready.v1', 'mine package.finalized.v1'])
      expect(told(finalized.id)).toEqual(['mine package.finalized.v1'])
      expect(told(theirs.id)).toEqual(['theirs upload.ready.v1'])
      expect(told(everybodys.id)).toEqual([
        'mine upload.ready.v1',
        'theirs upload.ready.v1',
        'mine package.finalized.v1',
      ])
    },
  )

  testApart('from when the webhook was made, not from before', async ({ ground, receiver }) => {
    await ground.tell({ count: 3 })
    const webhook = await ground.addWebhook(receiver.url)
    ground.dispatch()
    await ground.tell()
    await receiver.hasReceived(1)
    await sleep(700)
    expect(await ground.deliveries(webhook.id)).toHaveLength(1)
  })

  testApart(
    'soon after a webhook was made while there was none, when the dispatcher is woken',
    async ({ ground, receiver }) => {
      const dispatcher = ground.dispatch()
      await sleep(300)
      await ground.addWebhook(receiver.url)
      dispatcher.wake()
      await ground.tell()
      await receiver.hasReceived(1, 3)
    },
  )
})

describe('what fails', () => {
  testApart(
    'with 500 is tried again, with the same id and a new timestamp, until it is taken',
    async ({ ground, receiver }) => {
      receiver.behave((response, _, before) => void response.writeHead(before < 2 ? 500 : 200).end())
      const webhook = await ground.addWebhook(receiver.url)
      ground.dispatch({ backoff: { firstSeconds: 1.2, mostSeconds: 1.2, giveUpAfterSeconds: 60 } })
      await ground.tell()
      const [failed] = await ground.deliveriesWhen(webhook.id, ([one]) => one?.error != null)
      expect(failed).toMatchObject({ state: 'pending', attempts: 1, status: 500 })
      expect(failed?.error).toContain('Answered 500')
      expect(failed!.nextAttemptAt.getTime()).toBeGreaterThan(failed!.createdAt.getTime() + 900)

      const [delivered] = await ground.deliveriesWhen(webhook.id, ([one]) => one?.state === 'delivered')
      expect(delivered).toMatchObject({ attempts: 3, status: 200, error: null })
      expect(receiver.received).toHaveLength(3)
      expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
      expect(
        new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size,
      ).toBeGreaterThan(1)
      for (const received of receiver.received) expect(isGenuine(received, webhook.secret)).toBe(true)
    },
  )

  testApart('by hanging is tried again, and others do not wait for it', async ({ ground, receiver }) => {
    const other = await startReceiver()
    receiver.behave((response, _, before) => {
      if (before > 0) response.writeHead(200).end()
    })
    const webhook = await ground.addWebhook(receiver.url)
    await ground.addWebhook(other.url)
    ground.dispatch({ timeoutSeconds: 2 })
    await ground.tell()
    await other.hasReceived(1, 2)
    const [failed] = await ground.deliveriesWhen(webhook.id, ([one]) => one?.error != null)
    expect(failed).toMatchObject({ state: 'pending', status: null, error: 'No answer within 2 seconds.' })
    await ground.deliveriesWhen(webhook.id, ([one]) => one?.state === 'delivered')
    expect(receiver.received).toHaveLength(2)
    expect(other.received).toHaveLength(1)
    await other.close()
  })

  testApart('does not hold up what comes after it', async ({ ground, receiver }) => {
    receiver.behave((response, received) => {
      response.writeHead(received.body.includes('"upload-1"') ? 500 : 200).end()
    })
    const webhook = await ground.addWebhook(receiver.url)
    ground.dispatch({ backoff: { firstSeconds: 30, mostSeconds: 30, giveUpAfterSeconds: 3_600 } })
    await ground.tell({ count: 3 })
    const deliveries = await ground.deliveriesWhen(
      webhook.id,
      (all) => all.length === 3 && all.every((one) => one.status !== null),
    )
    expect(deliveries.map((one) => one.state)).toEqual(['delivered', 'delivered', 'pending'])
  })

  testApart('for a day is given up', async ({ ground, receiver }) => {
    receiver.behave((response) => void response.writeHead(503).end())
    const webhook = await ground.addWebhook(receiver.url)
    ground.dispatch({ backoff: { firstSeconds: 0.3, mostSeconds: 0.3, giveUpAfterSeconds: 2 } })
    await ground.tell()
    const [failed] = await ground.deliveriesWhen(webhook.id, ([one]) => one?.state === 'failed')
    expect(failed).toMatchObject({ status: 503, deliveredAt: null })
    expect(failed!.attempts).toBe(receiver.received.length)
    expect(failed!.attempts).toBeGreaterThan(1)
    await sleep(1_500)
    expect(receiver.received).toHaveLength(failed!.attempts)
  })

  testApart(
    'again and again makes its webhook rest, so that its backlog costs little',
    async ({ ground, receiver }) => {
      receiver.behave((response) => void response.writeHead(500).end())
      const webhook = await ground.addWebhook(receiver.url)
      ground.dispatch({ backoff: { firstSeconds: 60, mostSeconds: 60, giveUpAfterSeconds: 3_600 } })
      await ground.tell({ count: 50 })
      await ground.deliveriesWhen(webhook.id, (all) => all.length === 50)
      await sleep(2_500)
      expect(receiver.received).toHaveLength(3)
    },
  )

  testApart('by a redirect is not sent elsewhere', async ({ ground, receiver }) => {
    const elsewhere = await startReceiver()
    receiver.behave((response) => void response.writeHead(307, { Location: elsewhere.url }).end())
    const webhook = await ground.addWebhook(receiver.url)
    ground.dispatch()
    await ground.tell()
    const [failed] = await ground.deliveriesWhen(webhook.id, ([one]) => one?.error != null)
    expect(failed).toMatchObject({ state: 'pending', status: 307 })
    expect(elsewhere.received).toEqual([])
    await elsewhere.close()
  })

  testApart(
    'because its name leads to a private address now is recorded, and connects nowhere',
    async ({ ground, receiver }) => {
      const webhook = await ground.addWebhook(`http://rebinding.example:${receiver.port}/`)
      ground.dispatch({ allowsPrivate: false, resolve: async () => [{ address: '127.0.0.1', family: 4 }] })
      await ground.tell()
      const [failed] = await ground.deliveriesWhen(webhook.id, ([one]) => one?.error != null)
      expect(failed?.error).toContain('private, loopback or reserved')
      expect(receiver.received).toEqual([])
    },
  )
})

describe('a webhook that is deleted', () => {
  testApart('gets nothing more, neither new events nor retries', async ({ ground, receiver }) => {
    receiver.behave((response) => void response.writeHead(500).end())
    const webhook = await ground.addWebhook(receiver.url)
    ground.dispatch()
    await ground.tell({ count: 5 })
    await receiver.hasReceived(2)
    await ground.records.remove(webhook.id, EVERYONE)
    await sleep(300)
    const before = receiver.received.length
    await ground.tell({ count: 5 })
    await sleep(2_500)
    expect(receiver.received).toHaveLength(before)
    expect((await ground.query('SELECT * FROM webhook_deliveries')).rows).toEqual([])
  })
})

describe('two instances', () => {
  testApart('deliver everything once, and in order', async ({ ground, receiver, startChild }) => {
    const webhooks = await Promise.all([1, 2, 3].map(() => ground.addWebhook(receiver.url)))
    ground.dispatch()
    await startChild()
    for (let i = 0; i < 10; i += 1) {
      await ground.tell({ count: 12 })
      await sleep(150)
    }
    await receiver.hasReceived(360, 25)
    await sleep(1_500)
    expect(receiver.received).toHaveLength(360)
    for (const { id } of webhooks) {
      const sequences = sequencesOf(receiver.received, id)
      expect(sequences).toHaveLength(120)
      expect(isSorted(sequences)).toBe(true)
    }
  })

  testApart(
    'one that stops in the middle leaves the rest to the other, and nothing twice',
    async ({ ground, receiver }) => {
      receiver.behave(async (response) => {
        await sleep(20)
        response.writeHead(204).end()
      })
      const webhook = await ground.addWebhook(receiver.url)
      const first = ground.dispatch()
      await ground.tell({ count: 60 })
      await receiver.hasReceived(20)
      await first.stop()
      const atStop = receiver.received.length
      expect(atStop).toBeLessThan(60)
      await sleep(500)
      expect(receiver.received).toHaveLength(atStop)
      ground.dispatch()
      await ground.deliveriesWhen(webhook.id, (all) => all.every((one) => one.state === 'delivered'))
      expect(new Set(sequencesOf(receiver.received)).size).toBe(60)
      expect(receiver.received).toHaveLength(60)
    },
  )

  testApart(
    'one that stops while a receiver hangs gives the delivery back at once, uncounted',
    async ({ ground, receiver }) => {
      receiver.behave((response, _, before) => {
        if (before > 0) response.writeHead(204).end()
      })
      const webhook = await ground.addWebhook(receiver.url)
      const first = ground.dispatch({ timeoutSeconds: 20 })
      await ground.tell()
      await receiver.hasReceived(1)
      const startedAtMs = performance.now()
      await first.stop()
      expect(performance.now() - startedAtMs).toBeLessThan(5_000)
      const [released] = await ground.deliveries(webhook.id)
      expect(released).toMatchObject({ state: 'pending', attempts: 0 })
      ground.dispatch()
      const [delivered] = await ground.deliveriesWhen(webhook.id, ([one]) => one?.state === 'delivered')
      expect(delivered?.attempts).toBe(1)
    },
  )

  testApart(
    'one that is killed again and again loses nothing: every event arrives, hardly any twice',
    async ({ ground, receiver, startChild }) => {
      receiver.behave(async (response) => {
        await sleep(10)
        response.writeHead(204).end()
      })
      const webhooks = await Promise.all([1, 2, 3, 4].map(() => ground.addWebhook(receiver.url)))
      const kills = 4
      await ground.tell({ count: 50 })
      for (let i = 0; i < kills; i += 1) {
        const before = receiver.received.length
        const child = await startChild()
        await ground.tell({ count: 10 })
        await receiver.hasReceived(before + 12)
        await kill(child)
      }
      ground.dispatch()
      for (const { id } of webhooks) {
        await ground.deliveriesWhen(
          id,
          (all) => all.length === 90 && all.every((one) => one.state === 'delivered'),
          25,
        )
        expect(new Set(sequencesOf(receiver.received, id)).size).toBe(90)
      }
      // At most what was under way at each kill: one of each webhook.
      expect(receiver.received.length).toBeLessThanOrEqual(4 * 90 + kills * webhooks.length)
    },
    60_000,
  )
})

testApart('Logs name the origin, never the path, the query or the secret', async ({ ground, receiver }) => {
  const lines: string[] = []
  const log = createLog({ level: 'trace', destination: { write: (line) => void lines.push(line) } })
  receiver.behave((response, _, before) => void response.writeHead(before === 0 ? 500 : 200).end())
  const webhook = await ground.addWebhook(`${receiver.url}/T0K3N?token=s3cr3t`)
  ground.dispatch({ log })
  await ground.tell()
  await ground.deliveriesWhen(webhook.id, ([one]) => one?.state === 'delivered')
  await ground.stopAll()
  const text = lines.join('')
  expect(text).toContain(`"to":"http://127.0.0.1:${receiver.port}"`)
  expect(text).toContain('webhook not delivered')
  expect(text).toContain('webhook delivered')
  expect(text).not.toMatch(/T0K3N|s3cr3t/)
  expect(text).not.toContain(webhook.secret)
})

testApart('Trouble with the database is survived', async ({ ground, receiver }) => {
  const webhook = await ground.addWebhook(receiver.url)
  await ground.query('ALTER TABLE webhook_deliveries RENAME TO away')
  ground.dispatch()
  await ground.tell()
  await sleep(500)
  await ground.query('ALTER TABLE away RENAME TO webhook_deliveries')
  await ground.deliveriesWhen(webhook.id, ([one]) => one?.state === 'delivered')
  expect(receiver.received).toHaveLength(1)
})

testApart('What is over for long is forgotten; what waits never is', async ({ ground, receiver }) => {
  const webhook = await ground.addWebhook(receiver.url)
  await ground.query(
    `INSERT INTO webhook_deliveries (id, webhook_id, type, body, state, next_attempt_at)
     SELECT n::text, $1, 't', '{}', (ARRAY['pending', 'delivered', 'failed'])[1 + n % 3]::"DeliveryState",
       now() - CASE WHEN n <= 3000 THEN interval '31 days' ELSE interval '29 days' END
     FROM generate_series(1, 3300) n`,
    [webhook.id],
  )
  expect(await ground.records.forgetOld(30 * 86_400)).toBe(2_000)
  expect(await ground.records.forgetOld(30 * 86_400)).toBe(0)
  const left = await ground.query(
    'SELECT state, count(*)::int FROM webhook_deliveries GROUP BY state ORDER BY state',
  )
  expect(left.rows).toEqual([
    { state: 'pending', count: 1_100 },
    { state: 'delivered', count: 100 },
    { state: 'failed', count: 100 },
  ])
})
