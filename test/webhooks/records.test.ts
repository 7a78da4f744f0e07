import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { FanOut } from '../../server/webhooks/fan-out.js'
import { Ground } from './ground.js'

let ground: Ground

beforeAll(async () => {
  ground = await Ground.open()
})

afterEach(() => ground.reset())

afterAll(() => ground.close())

const URL = 'http://127.0.0.1:1/'
const claim = (count: number, resting: string[] = []) =>
  ground.records.claim(count, { leaseSeconds: 30, resting })

test('However many claim at once, a delivery is one claimer’s, and a webhook has one under way', async () => {
  const owners = Array.from({ length: 20 }, (_, i) => `owner-${i}`)
  for (const owner of owners) await ground.addWebhook(URL, { owner })
  for (const owner of owners) await ground.tell({ owner, count: 10 })
  await new FanOut(ground.records, ground.events).run(new AbortController().signal)
  for (let round = 0; round < 10; round += 1) {
    const claims = (await Promise.all(Array.from({ length: 10 }, () => claim(4)))).flat()
    claims.push(...(await claim(100)))
    expect(claims).toHaveLength(20)
    expect(new Set(claims.map(({ id }) => id)).size).toBe(20)
    expect(new Set(claims.map(({ webhookId }) => webhookId)).size).toBe(20)
    await Promise.all(claims.map(({ id }) => ground.records.recordDelivered(id, 204)))
  }
  expect(await claim(100)).toEqual([])
})

test('However many fan out at once, every event becomes one delivery of each webhook', async () => {
  const webhooks = [
    await ground.addWebhook(URL),
    await ground.addWebhook(URL, { seesAll: true, owner: 'operator' }),
  ]
  for (let i = 0; i < 3; i += 1) {
    await ground.tell({ count: 700 })
    const fanOuts = Array.from({ length: 6 }, () => new FanOut(ground.records, ground.events))
    await Promise.all(fanOuts.map((one) => one.run(new AbortController().signal)))
  }
  await new FanOut(ground.records, ground.events).run(new AbortController().signal)
  for (const { id } of webhooks) {
    const sequences = (await ground.deliveries(id)).map(({ sequence }) => sequence)
    expect(sequences).toHaveLength(2_100)
    expect(new Set(sequences).size).toBe(2_100)
  }
})

test('A cursor moves with its deliveries or not at all', async () => {
  const webhook = await ground.addWebhook(URL)
  const delivery = { id: 'a'.repeat(40), sequence: webhook.cursor + 1, type: 't', body: '{}' }
  await expect(
    ground.records.advance(webhook, webhook.cursor + 2, [
      delivery,
      { ...delivery, sequence: webhook.cursor + 2 },
    ]),
  ).rejects.toThrow()
  expect(await ground.records.get(webhook.id, webhook.owner)).toEqual(webhook)
  expect(await ground.records.advance(webhook, webhook.cursor + 1, [delivery])).toBe(true)
  // Whoever still has the old cursor comes too late.
  expect(await ground.records.advance(webhook, webhook.cursor + 9, [])).toBe(false)
  expect((await ground.records.get(webhook.id, webhook.owner)).cursor).toBe(webhook.cursor + 1)
})

test('A webhook that rests, or has one under way, is not claimed from; a lease that has lapsed is', async () => {
  const webhook = await ground.addWebhook(URL)
  await ground.tell({ count: 2 })
  await new FanOut(ground.records, ground.events).run(new AbortController().signal)
  expect(await claim(9, [webhook.id])).toEqual([])
  const [first] = await claim(9)
  expect(first).toMatchObject({ webhookId: webhook.id, attempts: 1, url: URL, secret: webhook.secret })
  expect(await claim(9)).toEqual([])
  await ground.query('UPDATE webhook_deliveries SET next_attempt_at = now() WHERE attempts > 0')
  expect(await claim(9)).toMatchObject([{ id: expect.any(String), attempts: expect.any(Number) }])
})

test('Who was too slow changes nothing any more, unless the receiver has it', async () => {
  const webhook = await ground.addWebhook(URL)
  await ground.tell()
  await new FanOut(ground.records, ground.events).run(new AbortController().signal)
  const [slow] = await claim(1)
  await ground.query('UPDATE webhook_deliveries SET next_attempt_at = now()')
  const [quick] = await claim(1)
  expect(quick).toMatchObject({ id: slow!.id, attempts: 2 })
  await ground.records.recordFailure(slow!, { status: 500, error: 'late', isCut: false }, null)
  await ground.records.release(slow!, { status: null, error: 'late', isCut: true })
  expect(await ground.deliveries(webhook.id)).toMatchObject([{ state: 'pending', attempts: 2, error: null }])
  await ground.records.recordDelivered(slow!.id, 200)
  await ground.records.recordFailure(quick!, { status: 500, error: 'second', isCut: false }, 10)
  expect(await ground.deliveries(webhook.id)).toMatchObject([
    { state: 'delivered', status: 200, error: null },
  ])
})
