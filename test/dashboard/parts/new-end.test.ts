import { describe, expect, test } from '@jest/globals'
import { dayOf, latestIn, newEnd, type Span } from '../../../client/dashboard/parts/new-end.js'

describe('a new end', () => {
  test.each<[Span, string, string]>([
    ['week', '2026-01-28T10:00:00Z', '2026-02-04T10:00:00Z'],
    ['month', '2026-01-15T10:00:00Z', '2026-02-15T10:00:00Z'],
    ['month', '2026-01-31T10:00:00Z', '2026-02-28T10:00:00Z'],
    ['month', '2028-01-31T10:00:00Z', '2028-02-29T10:00:00Z'],
    ['month', '2026-12-31T23:59:59Z', '2027-01-31T23:59:59Z'],
    ['quarter', '2026-11-30T10:00:00Z', '2027-02-28T10:00:00Z'],
    ['quarter', '2026-03-31T00:00:00Z', '2026-06-30T00:00:00Z'],
  ])('a %s later than %s is %s', (span, from, to) => {
    expect(newEnd(span, new Date(from), '')).toEqual(new Date(to))
  })

  test('a day is meant to its end, where the user is', () => {
    expect(newEnd('date', new Date(2026, 4, 3, 12), '2026-05-03')).toEqual(new Date(2026, 4, 3, 23, 59, 59))
    expect(newEnd('date', new Date(2026, 4, 3, 12), '2026-06-30')).toEqual(new Date(2026, 5, 30, 23, 59, 59))
  })

  test.each(['', '2026-05-02', '2026-02-30x', 'tomorrow'])('%j is no later day', (day) => {
    expect(newEnd('date', new Date(2026, 4, 3, 12), day)).toBeNull()
  })

  test('is never the same or earlier', () => {
    const end = new Date(2026, 4, 3, 23, 59, 59)
    expect(newEnd('date', end, '2026-05-03')).toBeNull()
  })
})

test('a moment as a date field has it is the day where the user is', () => {
  expect(dayOf(new Date(2026, 0, 5, 0, 0, 1))).toBe('2026-01-05')
  expect(dayOf(new Date(2026, 11, 31, 23, 59, 59))).toBe('2026-12-31')
})

test.each([
  [{ latest_expires_at: '2026-05-03T00:00:00.000Z' }, new Date('2026-05-03T00:00:00Z')],
  [{ latest_expires_at: 'never' }, null],
  [{ latest_expires_at: 5 }, null],
  [{}, null],
  [undefined, null],
])('of the details %j the latest end is %p', (details, latest) => {
  expect(latestIn(details)).toEqual(latest)
})
