import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type FoundKeys, RemoteKeys } from '../../server/auth/jwks-url.js'
import { createLog } from '../../server/ops/log.js'
import { type Iam, type IamFault, startIam } from '../support/iam.js'
import { startReceiver } from '../webhooks/receiver.js'

let iam: Iam
let nowMs: number
let remote: RemoteKeys

beforeEach(async () => {
  iam = await startIam()
  nowMs = 1_000_000
  remote = new RemoteKeys({
    url: iam.jwksUrl,
    algorithms: undefined,
    log: createLog({ level: 'silent' }),
    now: () => nowMs,
  })
})
afterEach(() => iam.close())

function find(kid?: string): Promise<FoundKeys> {
  return remote.find({ alg: 'ES256', kid })
}

async function kidsFound(kid?: string): Promise<(string | undefined)[]> {
  return (await find(kid)).keys.map((key) => key.kid)
}

const reads = (): number => iam.requests('/jwks.json')

describe('While it answers', () => {
  test('it is read once, and not before a token needs it', async () => {
    expect(reads()).toBe(0)
    for (let count = 0; count < 5; count += 1) expect(await kidsFound(iam.kid)).toEqual([iam.kid])
    expect(await kidsFound()).toEqual([iam.kid])
    expect(reads()).toBe(1)
  })

  test('many at once read it once', async () => {
    const found = await Promise.all(Array.from({ length: 100 }, () => kidsFound(iam.kid)))
    expect(found.every(([kid]) => kid === iam.kid)).toBe(true)
    expect(reads()).toBe(1)
  })

  test('a new key is found when a token names it, the old one then checks nothing', async () => {
    const old = iam.kid
    await find(old)
    iam.rotate()
    nowMs += 30_000
    expect(await kidsFound(iam.kid)).toEqual([iam.kid])
    expect(await kidsFound(old)).toEqual([])
    expect(reads()).toBe(2)
  })

  test('names that nobody knows make it read once in 30 seconds', async () => {
    await find(iam.kid)
    for (let second = 1; second <= 120; second += 1) {
      nowMs += 1_000
      expect(await kidsFound(`made-up-${second}`)).toEqual([])
    }
    expect(reads()).toBe(1 + 4)
    expect((await find('made-up')).outage).toBeUndefined()
  })

  test('keys are believed for ten minutes: one that was withdrawn checks nothing after that', async () => {
    const old = iam.kid
    await find(old)
    iam.rotate()
    nowMs += 10 * 60_000 - 1
    expect(await kidsFound(old)).toEqual([old])
    nowMs += 1
    expect(await kidsFound(old)).toEqual([])
    expect(await kidsFound()).toEqual([iam.kid])
    expect(reads()).toBe(2)
  })

  test('an algorithm that no key is for finds none', async () => {
    expect((await remote.find({ alg: 'RS256', kid: undefined })).keys).toEqual([])
  })
})

describe('While it does not', () => {
  test.each<IamFault>(['500', 'redirect', 'garbage', 'huge', 'cut'])(
    '%s: there is no key, and who asks is told when to ask again',
    async (fault) => {
      iam.fail(fault)
      nowMs += 1
      const { keys, outage } = await find(iam.kid)
      expect(keys).toEqual([])
      expect(outage).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 30 })
      expect(iam.requests('/moved/jwks.json')).toBe(0)
    },
  )

  test('what hangs is given up after five seconds', async () => {
    iam.fail('hang')
    const startedAtMs = performance.now()
    expect((await find(iam.kid)).outage).toBeDefined()
    expect(performance.now() - startedAtMs).toBeGreaterThan(4_900)
    expect(performance.now() - startedAtMs).toBeLessThan(7_000)
  })

  test('it is tried once in 30 seconds, and found again then', async () => {
    iam.fail('500')
    for (let second = 0; second < 30; second += 1) {
      expect((await find(iam.kid)).outage?.retryAfterSeconds).toBe(30 - second)
      nowMs += 1_000
    }
    expect(reads()).toBe(1)
    iam.recover()
    expect(await find(iam.kid)).toMatchObject({ keys: [{ kid: iam.kid }], outage: undefined })
    expect(reads()).toBe(2)
  })

  test('what was read before serves on, for a day', async () => {
    await find(iam.kid)
    iam.fail('500')
    nowMs += 24 * 3600_000 - 1
    expect(await kidsFound(iam.kid)).toEqual([iam.kid])
    expect(reads()).toBe(2)
    nowMs += 1
    const late = await find(iam.kid)
    expect(late.keys).toEqual([])
    expect(late.outage).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('once it is known to be away, nobody who has a key waits for what hangs', async () => {
    await find(iam.kid)
    iam.fail('500')
    nowMs += 10 * 60_000
    await find(iam.kid)
    iam.fail('hang')
    nowMs += 30_000
    const startedAtMs = performance.now()
    expect(await kidsFound(iam.kid)).toEqual([iam.kid])
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    await sleep(100)
    expect(reads()).toBe(3)
  })

  test('a key that is not known may exist: the outage is told with it', async () => {
    await find(iam.kid)
    iam.fail('500')
    iam.rotate()
    nowMs += 30_000
    expect(await find(iam.kid)).toMatchObject({ keys: [], outage: { code: 'UNAVAILABLE' } })
  })

  test.each([
    '{"keys":[]}',
    '{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]}',
    '{"keys":[{"kty":"AKP"},null,7]}',
  ])('%s has no key that can be used, and changes nothing', async (empty) => {
    const jwk = { ...iam.publicKey.export({ format: 'jwk' }), kid: 'one' }
    const receiver = await startReceiver((response, _received, before) => {
      response.end(before === 0 ? JSON.stringify({ keys: [jwk, { kty: 'oct', k: 'c2VjcmV0' }] }) : empty)
    })
    const other = new RemoteKeys({
      url: receiver.url,
      algorithms: undefined,
      log: createLog({ level: 'silent' }),
      now: () => nowMs,
    })
    try {
      expect((await other.find({ alg: 'ES256', kid: 'one' })).keys).toHaveLength(1)
      nowMs += 10 * 60_000
      const { keys, outage } = await other.find({ alg: 'ES256', kid: 'one' })
      expect(keys).toMatchObject([{ kid: 'one', algorithms: ['ES256'] }])
      expect(outage).toBeDefined()
      expect(receiver.received).toHaveLength(2)
    } finally {
      await receiver.close()
    }
  })
})
