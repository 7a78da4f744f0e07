import { describe, expect, test } from '@jest/globals'
import { secondsToLook } from '../../../client/dashboard/upload/look.js'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const LASTING = { expires_in: null, restorable_until: null }

describe('when a report is asked for again by itself', () => {
  test.each([
    ['bytes may come', { state: 'receiving', ...LASTING }, 2],
    ['it is being finished', { state: 'finalizing', ...LASTING }, 2],
    ['it is kept for ever', { state: 'ready', ...LASTING }, null],
    ['it ends in an hour', { state: 'ready', expires_in: 3_600, restorable_until: null }, 3_601],
    ['its time is over', { state: 'ready', expires_in: 0, restorable_until: null }, 15],
    ['it ends in a year', { state: 'ready', expires_in: 31_536_000, restorable_until: null }, 86_400],
    ['it failed', { state: 'failed', expires_in: 0, restorable_until: null }, null],
    ['it is deleted for good', { state: 'deleted', expires_in: 0, restorable_until: null }, null],
    [
      'its deletion can be undone for ten seconds',
      { state: 'deleted', expires_in: 0, restorable_until: '2026-11-21T12:00:10Z' },
      10.5,
    ],
    [
      'this clock says that the time to undo is over, and the server did not',
      { state: 'canceled', expires_in: 0, restorable_until: '2026-11-21T09:00:00Z' },
      2,
    ],
  ] as const)('when %s', (_case, report, seconds) => {
    expect(secondsToLook(report, NOW)).toBe(seconds)
  })
})
