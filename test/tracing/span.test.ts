import { describe, expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import { errorTypeOf, fromHere, traced, traceIds } from '../../server/tracing/span.js'

describe('While tracing is off', () => {
  test('work is done as it is, and gets no span', async () => {
    expect(await traced('anything', {}, async (span) => [span, 'done'])).toEqual([null, 'done'])
    await expect(
      traced('anything', {}, async () => {
        throw new AppError('LOCKED', 'Another request holds it.')
      }),
    ).rejects.toMatchObject({ code: 'LOCKED' })
  })

  test('places are not kept, and lines of the log say nothing of traces', () => {
    expect(fromHere()(() => 7)).toBe(7)
    expect(traceIds()).toEqual({})
  })
})

describe('A failure', () => {
  test.each([
    [new AppError('HASH_MISMATCH', 'a name, a path'), 'HASH_MISMATCH'],
    [Object.assign(new Error('connect ECONNREFUSED 10.0.0.7'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    [new RangeError('of something'), 'RangeError'],
    [Object.assign(new Error(), { code: 'what a user wrote' }), 'Error'],
    [Object.assign(new Error(), { name: 'jane@example.org' }), '_OTHER'],
    ['text', 'string'],
    [undefined, 'undefined'],
  ])('%p is told by one word of a closed set', (error, word) => {
    expect(errorTypeOf(error)).toBe(word)
  })
})
