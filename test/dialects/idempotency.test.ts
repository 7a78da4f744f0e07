// What makes a request known when it comes again, and in which order that is looked for: every look costs a statement.

import { describe, expect, test } from '@jest/globals'
import { idempotencyOf, makeOnce } from '../../server/dialects/idempotency.js'
import { AppError, type ErrorCode } from '../../server/errors.js'
import type { Idempotency } from '../../server/uploads/insertion.js'
import type { Upload } from '../../server/uploads/upload.js'
import fc from '../support/properties.js'
import { anUpload } from '../uploads/an-upload.js'

const idempotency: Idempotency = { key: 'k', digest: 'd' }
const before = anUpload({ id: 'b'.repeat(40) })

/** Runs `makeOnce` and tells what was done, in order. @param looks what each look finds */
async function run(
  options: { idempotency: Idempotency | null; isLikelyNew: boolean },
  looks: readonly (Upload | null)[],
  refusal?: Error,
) {
  const done: string[] = []
  const left = [...looks]
  const begunBefore = async (owner: string, { key, digest }: Idempotency) => {
    done.push(`look ${owner} ${key} ${digest}`)
    return left.shift() ?? null
  }
  const make = async () => {
    done.push('make')
    if (refusal !== undefined) throw refusal
    return 'made'
  }
  const outcome = await makeOnce({ begunBefore }, { owner: 'ada', ...options }, make).catch(
    (error: unknown) => error,
  )
  return { done, outcome }
}

const LOOK = 'look ada k d'

describe('what is made once', () => {
  test.each([true, false])(
    'without a key is made, and nobody looks (likely new: %p)',
    async (isLikelyNew) => {
      const { done, outcome } = await run({ idempotency: null, isLikelyNew }, [])
      expect({ done, outcome }).toEqual({ done: ['make'], outcome: { isNew: true, made: 'made' } })
      const refusal = new AppError('CONFLICT', 'No.')
      expect(await run({ idempotency: null, isLikelyNew }, [before], refusal)).toEqual({
        done: ['make'],
        outcome: refusal,
      })
    },
  )

  test('with a key is looked for first', async () => {
    const options = { idempotency, isLikelyNew: false }
    expect(await run(options, [before])).toEqual({ done: [LOOK], outcome: { isNew: false, before } })
    expect((await run(options, [null])).done).toEqual([LOOK, 'make'])
  })

  test('with a key that is likely new costs no look', async () => {
    const { done, outcome } = await run({ idempotency, isLikelyNew: true }, [])
    expect({ done, outcome }).toEqual({ done: ['make'], outcome: { isNew: true, made: 'made' } })
  })

  const ofATwin: ErrorCode[] = ['CONFLICT', 'QUOTA_EXCEEDED', 'INSUFFICIENT_STORAGE', 'PACKAGE_FINALIZED']

  test.each([...ofATwin, 'GONE', 'NOT_FOUND', 'FORBIDDEN'] as ErrorCode[])(
    'refused with %s, is what its twin has made, and else refused',
    async (code) => {
      const refusal = new AppError(code, 'No.')
      const options = { idempotency, isLikelyNew: true }
      expect(await run(options, [before], refusal)).toEqual({
        done: ['make', LOOK],
        outcome: { isNew: false, before },
      })
      expect((await run(options, [null], refusal)).outcome).toBe(refusal)
    },
  )

  test.each([
    new AppError('HASH_MISMATCH', 'No.'),
    new AppError('UNAVAILABLE', 'No.'),
    new AppError('INVALID_INPUT', 'No.'),
    new Error('a bug'),
  ])('that fails for what no twin does (%s) is not looked for', async (failure) => {
    const { done, outcome } = await run({ idempotency, isLikelyNew: true }, [before], failure)
    expect({ done, outcome }).toEqual({ done: ['make'], outcome: failure })
  })
})

describe('a key', () => {
  const of = (key: string | undefined, asked: object) =>
    idempotencyOf({ 'idempotency-key': key }, () => asked)

  test('that is missing is none, and what was asked isn’t even read', () => {
    const asked = () => {
      throw new Error('It was read.')
    }
    expect(idempotencyOf({}, asked)).toBeNull()
  })

  test.each(['', 'a'.repeat(201), 'ümlaut', 'a\tb', 'a\x7f'])('%j is refused', (key) => {
    expect(() => of(key, {})).toThrow(/INVALID_INPUT/)
  })

  test('comes with a digest that is the same for the same, whatever the order of its members, and for nothing else', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (asked, more) => {
        const turned = Object.fromEntries(Object.entries(asked).reverse())
        const digest = of('k', asked)?.digest
        expect(digest).toMatch(/^[0-9a-f]{64}$/)
        expect(of('k', turned)).toEqual({ key: 'k', digest })
        expect(of('k', { ...asked, 'one more member': more })?.digest).not.toBe(digest)
      }),
    )
  })
})
