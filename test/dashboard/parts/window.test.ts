import { describe, expect, test } from '@jest/globals'
import { rangeBetween, rowAt, shiftFor, topsOf } from '../../../client/dashboard/parts/window.js'
import fc from '../../support/properties.js'

const rowsOf = (heights: readonly number[]) => heights.map((heightPx) => ({ heightPx }))
const heights = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 80 })

describe('the rows in view', () => {
  test.each([
    [0, 100, 0, 2],
    [50, 100, 1, 2],
    [49, 101, 0, 3],
    [-500, 10, 0, 1],
    [-500, 0, 0, 0],
    [200, 1_000, 4, 4],
    [140, 1_000, 2, 4],
  ])('from %d to %d px: rows %d up to %d', (fromPx, toPx, first, end) => {
    expect(rangeBetween(topsOf(rowsOf([50, 50, 50, 50])), fromPx, toPx)).toEqual({ first, end })
  })

  test('are none of a list without rows', () => {
    expect(rangeBetween(topsOf([]), 0, 1_000)).toEqual({ first: 0, end: 0 })
    expect(rowAt(topsOf([]), 0)).toBe(-1)
  })

  test('are exactly those that share a pixel with it', () => {
    fc.assert(
      fc.property(
        heights,
        fc.integer({ min: -500, max: 9_000 }),
        fc.integer({ min: 1, max: 900 }),
        (all, fromPx, tall) => {
          const tops = topsOf(rowsOf(all))
          const { first, end } = rangeBetween(tops, fromPx, fromPx + tall)
          const seen = all.flatMap((height, index) => {
            const top = tops[index] ?? 0
            return top < fromPx + tall && top + height > fromPx ? [index] : []
          })
          expect(Array.from({ length: end - first }, (_, offset) => first + offset)).toEqual(seen)
        },
      ),
    )
  })

  test('begin where the heights before them add up to', () => {
    fc.assert(
      fc.property(heights, (all) => {
        const tops = topsOf(rowsOf(all))
        expect(tops).toHaveLength(all.length + 1)
        for (const [index, height] of all.entries()) {
          expect((tops[index + 1] ?? 0) - (tops[index] ?? 0)).toBe(height)
          expect(rowAt(tops, tops[index] ?? 0)).toBe(index)
          expect(rowAt(tops, (tops[index + 1] ?? 0) - 0.5)).toBe(index)
        }
      }),
    )
  })
})

describe('what is read', () => {
  test('stays where it is when rows come in above, go, or become higher', () => {
    const keys = ['a', 'b', 'c', 'd']
    const readings = [
      { key: 'c', belowPx: -20 },
      { key: 'd', belowPx: 30 },
    ]
    const shift = (rows: string[], heightPx: number) =>
      shiftFor(readings, topsOf(rowsOf(rows.map(() => heightPx))), 120, (key) => rows.indexOf(key))
    expect(shift(keys, 50)).toBe(0)
    expect(shift(['new', ...keys], 50)).toBe(50)
    expect(shift(['b', 'c', 'd'], 50)).toBe(-50)
    expect(shift(keys, 60)).toBe(20)
    // The row itself has gone: the next one counts.
    expect(shift(['a', 'b', 'd'], 50)).toBe(-50)
    expect(shift(['a', 'b'], 50)).toBe(0)
  })
})
