import { expect, test } from '@jest/globals'
import fc from '../support/properties.js'
import { randomFrom } from './random.js'

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

function numbers(seed: number, count = 20): number[] {
  const random = randomFrom(seed)
  return Array.from({ length: count }, () => random.next())
}

test('the same seed gives the same numbers, another seed others', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      expect(numbers(seed)).toEqual(numbers(seed))
      expect(numbers(seed)).not.toEqual(numbers(seed + 1))
    }),
  )
})

test('the numbers of a seed stay the same for ever: a seed that failed is told to others', () => {
  expect(numbers(1, 4)).toEqual([
    0.9612513612955809, 0.2647382745053619, 0.3613394189160317, 0.0877910612616688,
  ])
})

test('a fork is the same however many numbers were taken before it', () => {
  const fresh = randomFrom(7).fork('clients').fork('3')
  const used = randomFrom(7)
  for (let i = 0; i < 100; i++) used.next()
  const later = used.fork('clients').fork('3')
  expect([later.next(), later.next()]).toEqual([fresh.next(), fresh.next()])
  expect(randomFrom(7).fork('schedule').next()).not.toBe(randomFrom(7).fork('clients').next())
})

test('whole numbers keep to both their ends and reach them, and all are about as frequent', () => {
  const random = randomFrom(3)
  const counts = new Map<number, number>()
  for (let i = 0; i < 6_000; i++) {
    const number = random.integer(-2, 3)
    counts.set(number, (counts.get(number) ?? 0) + 1)
  }
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3])
  // 1000 each; a deviation of 150 is five standard deviations.
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150)
})

test('chance is met as often as it says', () => {
  const random = randomFrom(4)
  const hits = Array.from({ length: 10_000 }, () => random.chance(0.2)).filter(Boolean).length
  expect(Math.abs(hits - 2_000)).toBeLessThan(200)
})

test('a shuffled list has the same members', () => {
  fc.assert(
    fc.property(seeds, fc.array(fc.integer()), (seed, list) => {
      const shuffled = randomFrom(seed).shuffle(list)
      expect([...shuffled].sort((a, b) => a - b)).toEqual([...list].sort((a, b) => a - b))
    }),
  )
})

test('nothing is picked from an empty list', () => {
  expect(() => randomFrom(1).pick([])).toThrow('nothing to pick')
})
