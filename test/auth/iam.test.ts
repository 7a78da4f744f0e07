import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type Iam as IamExchange, looksLikeIamKey, openIam } from '../../server/auth/iam.js'
import type { Identity } from '../../server/auth/identity.js'
import { AppError } from '../../server/errors.js'
import { createLog } from '../../server/ops/log.js'
import { ediId, type Iam, type IamFault, startIam } from '../support/iam.js'

const ada = ediId('ada')
let iam: Iam
let nowMs: number
let logged: string
let exchange: IamExchange
/** What becomes of the token, which jwt.test.ts looks at. */
let identifyToken: (token: string) => Promise<Identity | undefined>

beforeEach(async () => {
  iam = await startIam()
  nowMs = Date.now()
  logged = ''
  identifyToken = async (token) => {
    const { sub, exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return { owner: sub, scopes: new Set(['read']), expiresAt: new Date(exp * 1000) }
  }
  exchange = openIam({
    iamUrl: iam.url,
    identifyToken: (token) => identifyToken(token),
    log: createLog({ level: 'debug', destination: { write: (line) => (logged += line) } }),
    now: () => nowMs,
  })
})
afterEach(() => iam.close())

const exchanges = (): number => iam.requests('/auth/v1/key')

describe('A key', () => {
  test("is its person's, asked for once until a minute before its token ends", async () => {
    const key = iam.makeKey({ sub: ada, expiresInSeconds: 3600 })
    for (let count = 0; count < 5; count += 1)
      expect(await exchange.identify(key)).toMatchObject({ owner: ada })
    nowMs += 3530_000
    await exchange.identify(key)
    expect(exchanges()).toBe(1)
    nowMs += 15_000
    await exchange.identify(key)
    expect(exchanges()).toBe(2)
  })

  test('is asked for once by many at once', async () => {
    const key = iam.makeKey({ sub: ada })
    const found = await Promise.all(Array.from({ length: 50 }, () => exchange.identify(key)))
    expect(found.every((identity) => identity?.owner === ada)).toBe(true)
    expect(exchanges()).toBe(1)
  })

  test('that is unknown is asked for once a minute', async () => {
    const key = 'a'.repeat(27)
    for (let count = 0; count < 5; count += 1) expect(await exchange.identify(key)).toBeUndefined()
    nowMs += 59_000
    expect(await exchange.identify(key)).toBeUndefined()
    expect(exchanges()).toBe(1)
    nowMs += 1_000
    expect(await exchange.identify(key)).toBeUndefined()
    expect(exchanges()).toBe(2)
  })

  test('that was taken back holds until its token ends', async () => {
    const key = iam.makeKey({ sub: ada, expiresInSeconds: 600 })
    await exchange.identify(key)
    iam.revokeKey(key)
    expect(await exchange.identify(key)).toMatchObject({ owner: ada })
    nowMs += 600_000
    expect(await exchange.identify(key)).toBeUndefined()
  })

  test('whose token is not accepted is worth nothing, and the operator is told', async () => {
    const key = iam.makeKey()
    identifyToken = async () => undefined
    expect(await exchange.identify(key)).toBeUndefined()
    expect(await exchange.identify(key)).toBeUndefined()
    expect(exchanges()).toBe(1)
    expect(logged).toContain('AUTH_PUBLIC_KEY_FILE')
    expect(logged).not.toContain(key)
  })

  test('whose token has expired is worth nothing: "sign in again" would tell its holder nothing', async () => {
    identifyToken = async () => {
      throw new AppError('UNAUTHORIZED', 'Your token has expired.')
    }
    expect(await exchange.identify(iam.makeKey())).toBeUndefined()
  })

  test("whose token can't be checked now is asked for again", async () => {
    const key = iam.makeKey({ sub: ada })
    const gone = new AppError('UNAVAILABLE', 'Try again.')
    const checkable = identifyToken
    identifyToken = async () => {
      throw gone
    }
    await expect(exchange.identify(key)).rejects.toBe(gone)
    identifyToken = checkable
    expect(await exchange.identify(key)).toMatchObject({ owner: ada })
  })
})

describe('Trouble', () => {
  test.each<IamFault>(['500', 'redirect', 'garbage', 'huge', 'cut'])(
    '%s: 503, nothing is kept of it, and the key goes nowhere else',
    async (fault) => {
      const key = iam.makeKey({ sub: ada })
      iam.fail(fault)
      const refused = await exchange.identify(key).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 5 })
      expect(JSON.stringify(refused) + String((refused as AppError).cause)).not.toContain(key)
      expect(iam.requests('/moved/auth/v1/key')).toBe(0)
      iam.recover()
      expect(await exchange.identify(key)).toMatchObject({ owner: ada })
    },
  )

  test('nobody there', async () => {
    const lost = openIam({
      iamUrl: 'http://127.0.0.1:9',
      identifyToken,
      log: createLog({ level: 'silent' }),
      now: () => nowMs,
    })
    await expect(lost.identify('a'.repeat(27))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('what hangs is given up after five seconds, and eight at once are enough', async () => {
    const known = iam.makeKey({ sub: ada })
    await exchange.identify(known)
    iam.fail('hang')
    const startedAtMs = performance.now()
    const hanging = Array.from({ length: 8 }, (_, index) =>
      exchange.identify(`${index}`.repeat(27)).catch((error: unknown) => error),
    )
    await expect(exchange.identify('b'.repeat(27))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryAfterSeconds: 1,
    })
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    expect(await exchange.identify(known)).toMatchObject({ owner: ada })
    expect(await Promise.all(hanging)).toEqual(
      Array(8).fill(expect.objectContaining({ code: 'UNAVAILABLE', retryAfterSeconds: 5 })),
    )
    expect(performance.now() - startedAtMs).toBeGreaterThan(4_900)
    expect(performance.now() - startedAtMs).toBeLessThan(7_000)
    iam.recover()
    expect(await exchange.identify('b'.repeat(27))).toBeUndefined()
  })
})

test.each([
  ['a'.repeat(27), true],
  ['-_0123456789abcdefABCDEF-_0', true],
  ['a'.repeat(26), false],
  ['a'.repeat(28), false],
  [`ap_${'a'.repeat(24)}`, false],
  [`ap_${'a'.repeat(27)}`, false],
  [`${'a'.repeat(26)}+`, false],
  [`${'a'.repeat(27)}\n`, false],
])('%j looks like a key of an IAM: %s', (credential, isOne) => {
  expect(looksLikeIamKey(credential)).toBe(isOne)
})
