import { describe, expect, test } from '@jest/globals'
import fc from '../support/properties.js'
import { describeFault, FAULTS, type PlannedFault, planSchedule } from './schedule.js'

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const durations = fc.integer({ min: 0, max: 2 * 60_000 })
const MINUTE_MS = 60_000

/** Without what begins it, which is a new function each time. */
function facts(schedule: readonly PlannedFault[]): Omit<PlannedFault, 'begin'>[] {
  return schedule.map(({ begin, ...rest }) => rest)
}

describe('a schedule', () => {
  test('is the same for the same seed', () => {
    fc.assert(
      fc.property(seeds, durations, (seed, durationMs) => {
        const first = facts(planSchedule({ seed, durationMs }))
        expect(facts(planSchedule({ seed, durationMs }))).toEqual(first)
      }),
      { numRuns: 25 },
    )
  })

  test('is another one for another seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const first = facts(planSchedule({ seed, durationMs: MINUTE_MS }))
        expect(facts(planSchedule({ seed: seed + 1, durationMs: MINUTE_MS }))).not.toEqual(first)
      }),
      { numRuns: 25 },
    )
  })

  test('is undone before its end, and never has two at once for the same victim', () => {
    fc.assert(
      fc.property(seeds, durations, (seed, durationMs) => {
        const schedule = planSchedule({ seed, durationMs })
        for (const [i, fault] of schedule.entries()) {
          expect(fault.untilMs).toBe(fault.atMs + fault.lastsMs)
          expect(fault.untilMs).toBeLessThanOrEqual(durationMs)
          for (const earlier of schedule.slice(0, i)) {
            expect(earlier.atMs).toBeLessThan(fault.atMs)
            const isShared = earlier.occupies.some((one) => fault.occupies.includes(one))
            if (isShared) expect(earlier.untilMs + earlier.recoversMs).toBeLessThanOrEqual(fault.atMs)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  test('never keeps both instances from working for longer than some seconds', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const away = planSchedule({ seed, durationMs: 5 * MINUTE_MS }).filter(({ kind }) =>
          ['kill', 'restart', 'freeze'].includes(kind),
        )
        for (const one of away.filter(({ target }) => target === 'a')) {
          for (const other of away.filter(({ target }) => target === 'b')) {
            const togetherMs = Math.min(one.untilMs, other.untilMs) - Math.max(one.atMs, other.atMs)
            expect(togetherMs).toBeLessThanOrEqual(5_000)
          }
        }
      }),
      { numRuns: 50 },
    )
  })

  test('has every kind in three minutes, whatever the seed', () => {
    const kinds = FAULTS.map(({ kind }) => kind).sort()
    fc.assert(
      fc.property(seeds, (seed) => {
        const schedule = planSchedule({ seed, durationMs: 3 * MINUTE_MS })
        expect([...new Set(schedule.map(({ kind }) => kind))].sort()).toEqual(kinds)
      }),
      { numRuns: 50 },
    )
  })

  test('is busy: a fault every three seconds or so', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const count = planSchedule({ seed, durationMs: MINUTE_MS }).length
        expect(count).toBeGreaterThan(20)
        expect(count).toBeLessThan(60)
      }),
    )
  })

  test('leaves out what the machine can not do', () => {
    const missing = new Set(['full-disk', 'clock-step'] as const)
    const kinds = planSchedule({ seed: 1, durationMs: 5 * MINUTE_MS, missing }).map(({ kind }) => kind)
    expect(kinds).toContain('kill')
    for (const kind of ['full-store', 'full-database', 'clock-step']) expect(kinds).not.toContain(kind)
  })

  test('is empty where there is no time for it', () => {
    expect(planSchedule({ seed: 1, durationMs: 0 })).toEqual([])
  })
})

test('a fault is described in a line', () => {
  const fault = {
    kind: 's3',
    target: 'a',
    parameters: { way: 'hang', percent: 20 },
    ...{ atMs: 0, untilMs: 5, lastsMs: 5, recoversMs: 0, occupies: [] },
  }
  expect(describeFault(fault)).toBe('s3 a way=hang percent=20')
})
