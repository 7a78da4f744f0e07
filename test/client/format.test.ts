import { describe, expect, test } from '@jest/globals'
import {
  formatBytes,
  formatDuration,
  formatExactBytes,
  formatMoment,
  formatProgress,
  formatTimeLeft,
  percentArrived,
} from '../../client/format.js'

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [1, '1 B'],
    [1_023, '1023 B'],
    [1_024, '1.0 KB'],
    [1_048_524, '1023.9 KB'],
    [1_048_575, '1.0 MB'],
    [62_914_560, '60.0 MB'],
    [1_073_741_824, '1.00 GB'],
    [107_374_182_400, '100.00 GB'],
    [2 ** 53 - 1, '8.00 PB'],
  ])('%d bytes read "%s"', (sizeBytes, words) => {
    expect(formatBytes(sizeBytes)).toBe(words)
  })

  test('the exact size has its thousands apart', () => {
    expect(formatExactBytes(62_914_560)).toBe('62,914,560 bytes')
    expect(formatExactBytes(1)).toBe('1 byte')
  })
})

describe('progress', () => {
  test.each([
    [0, 10, 0],
    [5, 10, 50],
    [999, 1_000, 99],
    [10, 10, 100],
    [0, 0, 100],
    [5, null, null],
  ])('%p of %p is %p percent: 100 only when all is there', (offsetBytes, sizeBytes, percent) => {
    expect(percentArrived(offsetBytes, sizeBytes)).toBe(percent)
  })

  test('says how much of how much, or how much so far', () => {
    expect(formatProgress(25_165_824, 62_914_560)).toBe('24.0 MB of 60.0 MB (40 %)')
    expect(formatProgress(2_048, null)).toBe('2.0 KB so far')
  })
})

describe('times', () => {
  test.each([
    [-5, 'now'],
    [0, 'now'],
    [59, 'in less than a minute'],
    [60, 'in 1 minute'],
    [3_599, 'in 59 minutes'],
    [3_600, 'in 1 hour'],
    [86_399, 'in 23 hours'],
    [86_400, 'in 1 day'],
    [2_588_399, 'in 29 days'],
    [2_591_999, 'in 30 days'],
  ])('%d seconds ahead read "%s"', (seconds, words) => {
    expect(formatTimeLeft(seconds)).toBe(words)
  })

  test('a moment names its time zone', () => {
    expect(formatMoment(new Date('2026-11-30T13:05:00Z'), 'en-GB', 'Europe/Berlin')).toBe(
      '30 Nov 2026, 14:05 CET',
    )
  })
})

describe('lengths of time', () => {
  test.each([
    [-5, '0 s'],
    [0.4, '0 s'],
    [59, '59 s'],
    [59.6, '1 min'],
    [200, '3 min 20 s'],
    [3_600, '1 h'],
    [7_500, '2 h 5 min'],
    [86_400 + 3 * 3_600, '1 day 3 h'],
    [10 * 86_400, '10 days'],
  ])('%d seconds read "%s"', (seconds, words) => {
    expect(formatDuration(seconds)).toBe(words)
  })
})
