import { describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import type { EventRecord } from '../../server/events/event.js'
import { EventRing } from '../../server/events/ring.js'
import fc from '../support/properties.js'

function event(sequence: number, owner = 'a'): EventRecord {
  return {
    ...{ sequence, type: 'upload.created.v1', at: '', owner, upload_id: null, package_id: null },
    data: {},
  }
}

function events(...sequences: number[]): EventRecord[] {
  return sequences.map((sequence) => event(sequence))
}

function sequencesOf(page: { events: EventRecord[] }): number[] {
  return page.events.map(({ sequence }) => sequence)
}

describe('The ring', () => {
  test('that is empty holds the beginning, and has nothing', () => {
    const ring = new EventRing(3)
    expect(ring.holds(0)).toBe(true)
    expect(ring.read(EVERYONE, 0, 10)).toEqual({ events: [], next: 0 })
    ring.append([], { isGapless: true })
    expect(ring.head).toBe(0)
  })

  test('gives what is behind a sequence that lies in a gap', () => {
    const ring = new EventRing(5)
    ring.append(events(2, 5, 9), { isGapless: true })
    for (const [since, expected] of [
      [0, [2, 5, 9]],
      [2, [5, 9]],
      [3, [5, 9]],
      [8, [9]],
      [9, []],
      [12, []],
    ] as const) {
      expect(sequencesOf(ring.read(EVERYONE, since, 10))).toEqual(expected)
    }
  })

  test('says up to where it looked: to its end, to the last event of a full page, never back', () => {
    const ring = new EventRing(5)
    ring.append([event(1, 'a'), event(2, 'b'), event(3, 'a'), event(4, 'b')], { isGapless: true })
    expect(ring.read('a', 0, 10)).toMatchObject({ next: 4 })
    expect(ring.read('a', 0, 1)).toMatchObject({ next: 1 })
    expect(ring.read('a', 0, 2)).toMatchObject({ next: 3 })
    expect(ring.read('nobody', 0, 2)).toEqual({ events: [], next: 4 })
    expect(ring.read('a', 9, 2)).toEqual({ events: [], next: 9 })
  })

  test('drops the oldest when it is full, and knows it', () => {
    const ring = new EventRing(3)
    ring.append(events(1, 2), { isGapless: true })
    ring.append(events(4, 6), { isGapless: true })
    expect(ring.holds(0)).toBe(false)
    expect(ring.holds(1)).toBe(true)
    expect(sequencesOf(ring.read(EVERYONE, 1, 10))).toEqual([2, 4, 6])
  })

  test('gives up what is before a gap', () => {
    const ring = new EventRing(3)
    ring.append(events(1, 2), { isGapless: true })
    ring.append(events(7, 8, 9), { isGapless: false })
    expect(ring.holds(2)).toBe(false)
    expect(ring.holds(6)).toBe(true)
    expect(sequencesOf(ring.read(EVERYONE, 6, 10))).toEqual([7, 8, 9])
  })

  test('whatever was appended, a reader that pages through it gets exactly what the log has', () => {
    const batches = fc.array(
      fc.array(fc.record({ step: fc.integer({ min: 1, max: 3 }), owner: fc.constantFrom('a', 'b') }), {
        maxLength: 6,
      }),
    )
    fc.assert(
      fc.property(
        batches,
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 4 }),
        (steps, capacity, limit) => {
          const ring = new EventRing(capacity)
          const log: EventRecord[] = []
          for (const batch of steps) {
            const fresh = batch.map(({ step, owner }) => {
              log.push(event((log.at(-1)?.sequence ?? 0) + step, owner))
              return log.at(-1) ?? event(0)
            })
            // As the tail does: the newest that fit, and whether those are all.
            const newest = fresh.slice(-capacity)
            ring.append(newest, { isGapless: newest.length === fresh.length })
          }
          for (let since = 0; since <= (log.at(-1)?.sequence ?? 0); since += 1) {
            if (!ring.holds(since)) continue
            for (const scope of [EVERYONE, 'a'] as const) {
              const seen: EventRecord[] = []
              let page = ring.read(scope, since, limit)
              for (; page.events.length > 0; page = ring.read(scope, page.next, limit))
                seen.push(...page.events)
              expect(seen).toEqual(
                log.filter((one) => one.sequence > since && (scope === EVERYONE || one.owner === scope)),
              )
            }
          }
          expect(ring.holds(ring.head)).toBe(true)
        },
      ),
    )
  })
})
