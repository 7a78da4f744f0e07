import { describe, expect, test } from '@jest/globals'
import { BACKOFF, delayAfter, restAfter } from '../../server/webhooks/backoff.js'
import fc from '../support/properties.js'

describe('delayAfter', () => {
  test.each([
    [1, 0, 10],
    [2, 0, 20],
    [3, 0, 40],
    [9, 0, 2_560],
    [10, 0, 3_600],
    [40, 0, 3_600],
    [1, 0.5, 9],
    [10, 0.999, 2_880.72],
  ])('After %i attempts, with %d of chance, %d seconds', (attempts, random, delaySeconds) => {
    expect(delayAfter(BACKOFF, { attempts, ageSeconds: 0, random })).toBeCloseTo(delaySeconds)
  })

  test('What would come later than a day after its delivery was made is given up', () => {
    expect(delayAfter(BACKOFF, { attempts: 1, ageSeconds: 86_390, random: 0 })).toBe(10)
    expect(delayAfter(BACKOFF, { attempts: 1, ageSeconds: 86_391, random: 0 })).toBeNull()
    expect(delayAfter(BACKOFF, { attempts: 30, ageSeconds: 90_000, random: 0 })).toBeNull()
  })

  test('A receiver that is always down is tried for most of a day, some 30 times, never more than an hour apart', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })), (chances) => {
        let ageSeconds = 0
        let attempts = 1
        for (const random of chances) {
          const delaySeconds = delayAfter(BACKOFF, { attempts, ageSeconds, random })
          if (delaySeconds === null) break
          expect(delaySeconds).toBeGreaterThanOrEqual(8)
          expect(delaySeconds).toBeLessThanOrEqual(3_600)
          ageSeconds += delaySeconds
          attempts += 1
        }
        expect(ageSeconds).toBeGreaterThan(22 * 3_600)
        expect(attempts).toBeGreaterThan(25)
        expect(attempts).toBeLessThan(45)
      }),
      { numRuns: 50 },
    )
  })
})

test.each([
  [0, 0],
  [1, 0],
  [2, 0],
  [3, 5],
  [4, 10],
  [6, 40],
  [7, 60],
  [1_000_000, 60],
])('After %i failures in a row a webhook rests %i seconds', (failures, seconds) => {
  expect(restAfter(failures)).toBe(seconds)
})
