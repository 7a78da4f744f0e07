import { describe, expect, test } from '@jest/globals'
import { median, pairedRatios, rotated, slowestToMeanRate, spreadOf } from './statistics.js'

describe('median', () => {
  test.each([
    [[7], 7],
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  test('leaves the samples in their order', () => {
    const samples = [3, 1, 2]
    median(samples)
    expect(samples).toEqual([3, 1, 2])
  })

  test('of nothing is refused', () => {
    expect(() => median([])).toThrow(RangeError)
  })
})

test('a spread tells median, ends and count', () => {
  expect(spreadOf([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9, count: 3 })
})

describe('paired ratios', () => {
  test('divide round by round', () => {
    const ours = new Map([
      [1, 50],
      [2, 20],
    ])
    const bare = new Map([
      [2, 40],
      [1, 100],
    ])
    expect(pairedRatios(ours, bare)).toEqual([0.5, 0.5])
  })

  test('leave out a round that only one side has', () => {
    expect(pairedRatios(new Map([[1, 4]]), new Map([[2, 2]]))).toEqual([])
  })
})

describe('rotation', () => {
  test.each([
    [0, ['a', 'b', 'c']],
    [1, ['b', 'c', 'a']],
    [5, ['c', 'a', 'b']],
  ])('in round %d', (round, expected) => {
    expect(rotated(['a', 'b', 'c'], round)).toEqual(expected)
  })

  test('of nothing is nothing', () => {
    expect(rotated([], 3)).toEqual([])
  })
})

describe('the slowest rate over the mean', () => {
  test.each([
    [[5, 5, 5], 1],
    [[1, 2], 2 / 3],
    [[2, 4, 4], 0.75],
  ])('of times %j is %d', (elapsedMs, expected) => {
    expect(slowestToMeanRate(elapsedMs)).toBeCloseTo(expected)
  })

  test('of nothing is refused', () => {
    expect(() => slowestToMeanRate([])).toThrow(RangeError)
  })
})
