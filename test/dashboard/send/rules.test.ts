// The rules of sending, which need no browser.

import { describe, expect, test } from '@jest/globals'
import type { Report } from '../../../client/api/types.js'
import { begunBefore } from '../../../client/dashboard/send/begun-before.js'
import {
  chooseHeld,
  LARGEST_HELD_BYTES,
  MOST_HELD_BYTES,
  MOST_HELD_FILES,
} from '../../../client/dashboard/send/held-choice.js'
import { labelFor, onlyFolderOf } from '../../../client/dashboard/send/label.js'
import {
  type BegunFile,
  localUploadOf,
  presenceOf,
  sameOr,
  totalOf,
} from '../../../client/dashboard/send/local-uploads.js'
import {
  hasEnded,
  isRefusedHead,
  nextStepAfter,
  retryDelaysMs,
} from '../../../client/dashboard/send/next-step.js'
import { quarterPassed } from '../../../client/dashboard/send/quarters.js'
import { Rate } from '../../../client/dashboard/send/rate.js'
import { excessOf, roomOf } from '../../../client/dashboard/send/room.js'

describe('after a failed request', () => {
  test.each([
    [null, 'retry'],
    [401, 'ask-key'],
    [403, 'give-up'],
    [404, 'give-up'],
    [408, 'retry'],
    [409, 'retry'],
    [410, 'give-up'],
    [413, 'give-up'],
    [422, 'give-up'],
    [423, 'retry'],
    [429, 'retry'],
    [460, 'give-up'],
    [500, 'retry'],
    [503, 'retry'],
    [507, 'give-up'],
  ])('%p: %s', (status, step) => {
    expect(nextStepAfter(status)).toBe(step)
  })

  test.each([
    [200, false],
    [204, false],
    [401, true],
    [403, true],
    [404, true],
    [410, true],
    [423, false],
    [429, true],
    [500, true],
    [503, true],
  ])('a HEAD that answers %d is kept from tus-js-client, which would begin anew: %p', (status, isRefused) => {
    expect(isRefusedHead(status)).toBe(isRefused)
  })

  test.each([
    [404, true],
    [410, true],
    [403, false],
    [503, false],
    [null, false],
  ])('with %p the upload is no more: %p', (status, isOver) => {
    expect(hasEnded(status)).toBe(isOver)
  })

  test('it is tried again at once, then patiently for a day', () => {
    const delays = retryDelaysMs()
    expect(delays[0]).toBe(0)
    expect(Math.max(...delays)).toBe(30_000)
    expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThanOrEqual(86_400_000)
  })
})

describe('before anything moves', () => {
  const limits = { bytes: 100, files: 3, file_bytes: 60, open_uploads: null, rate: null }
  const room = roomOf({ limits, usage: { bytes: 70, files: 1, open_uploads: 0 } })

  test('the room is what the limits leave', () => {
    expect(room).toEqual({ fileBytes: 60, freeBytes: 30, freeFiles: 2 })
    const full = roomOf({ limits, usage: { bytes: 170, files: 9, open_uploads: 0 } })
    expect(full).toEqual({ fileBytes: 60, freeBytes: 0, freeFiles: 0 })
    const unlimited = roomOf({
      limits: { ...limits, bytes: null, files: null },
      usage: { bytes: 1, files: 1, open_uploads: 0 },
    })
    expect(unlimited).toEqual({ fileBytes: 60, freeBytes: null, freeFiles: null })
  })

  test.each([
    [{ files: 2, bytes: 30 }, null],
    [{ files: 0, bytes: 0 }, null],
    [
      { files: 2, bytes: 31 },
      { kind: 'bytes', chosenBytes: 31, freeBytes: 30 },
    ],
    [
      { files: 3, bytes: 3 },
      { kind: 'files', chosenFiles: 3, freeFiles: 2 },
    ],
  ])('%p: %p', (chosen, excess) => {
    expect(excessOf(chosen, room)).toEqual(excess)
  })

  test.each([
    [['lake/a.csv', 'lake/2026/b.csv'], 'lake'],
    [['/lake/a.csv'], 'lake'],
    [['lake/a.csv', 'river/b.csv'], null],
    [['lake/a.csv', null], null],
    [[null], null],
    [['a.csv'], null],
    [[], null],
  ])('the one folder of %p is %p', (paths, folder) => {
    expect(onlyFolderOf(paths)).toBe(folder)
  })

  test.each([
    [{ typed: null, folder: null, last: '' }, ''],
    [{ typed: null, folder: null, last: 'lakes' }, 'lakes'],
    [{ typed: null, folder: 'buoys', last: 'lakes' }, 'buoys'],
    [{ typed: 'mine', folder: 'buoys', last: 'lakes' }, 'mine'],
    [{ typed: '', folder: 'buoys', last: 'lakes' }, ''],
  ])('of %p the label is %p', (hints, label) => {
    expect(labelFor(hints)).toBe(label)
  })

  test.each([
    ['the same name and size', { filename: 'a.csv', size: 10, offset: 4 }, true],
    ['another name', { filename: 'b.csv', size: 10, offset: 4 }, false],
    ['another size', { filename: 'a.csv', size: 11, offset: 4 }, false],
    ['no byte yet', { filename: 'a.csv', size: 10, offset: 0 }, false],
    ['an end', { filename: 'a.csv', size: 10, offset: 4, state: 'expired' as const }, false],
    ['the same path', { filename: 'a.csv', size: 10, offset: 4, relative_path: 'lake/a.csv' }, true],
    ['another path', { filename: 'a.csv', size: 10, offset: 4, relative_path: 'river/a.csv' }, false],
  ])('an upload with %s: begun before is %p', (_, upload, isFound) => {
    const file = { name: 'a.csv', sizeBytes: 10, relativePath: 'lake/a.csv' }
    const report = unfinished(upload)
    expect(begunBefore(file, [unfinished({ filename: 'x', size: 1, offset: 1 }), report])).toBe(
      isFound ? report : null,
    )
  })

  test('of several uploads of the same file the one that is furthest on goes on', () => {
    const [less, more] = [3, 7].map((offset) => unfinished({ filename: 'a', size: 10, offset }))
    expect(begunBefore({ name: 'a', sizeBytes: 10, relativePath: null }, [less!, more!])).toBe(more)
  })
})

describe('what the browser keeps', () => {
  test('is what fits, in the order in which it came; what is kept stays', () => {
    const files = [
      { id: 'large', size: LARGEST_HELD_BYTES + 1 },
      { id: 'a', size: LARGEST_HELD_BYTES },
      { id: 'unknown', size: null },
      { id: 'b', size: 5 },
    ]
    expect([...chooseHeld(files, new Set())]).toEqual(['a', 'b'])
    expect([...chooseHeld(files, new Set(['large']))]).toEqual(['large', 'a', 'b'])
  })

  test('has a bound in bytes and one in files', () => {
    const many = Array.from({ length: MOST_HELD_FILES + 5 }, (_, index) => ({ id: String(index), size: 1 }))
    expect(chooseHeld(many, new Set()).size).toBe(MOST_HELD_FILES)
    const heavy = many.map(({ id }) => ({ id, size: LARGEST_HELD_BYTES }))
    expect(chooseHeld(heavy, new Set()).size).toBe(Math.floor(MOST_HELD_BYTES / LARGEST_HELD_BYTES))
  })
})

describe('how uploads stand', () => {
  test.each([
    [{ isActive: true }, true, 'sending'],
    [{ isActive: true }, false, 'waiting'],
    [{ isActive: false }, true, 'waiting'],
    [{ isPaused: true, isActive: false }, true, 'paused'],
    [{ trouble: 'No.', isPaused: true }, true, 'stopped'],
  ])('%p, able to send %p: %s', (file, canSend, presence) => {
    expect(presenceOf(begun(file), canSend)).toBe(presence)
  })

  test('fewer bytes are never said to be sent than are safe, and only what moves has a rate', () => {
    const file = begun({ sentBytes: 10, acknowledgedBytes: 40, bytesPerSecond: 5, isActive: true })
    expect(localUploadOf(file, true)).toMatchObject({
      sentBytes: 40,
      acknowledgedBytes: 40,
      bytesPerSecond: 5,
    })
    expect(localUploadOf({ ...file, isPaused: true }, true).bytesPerSecond).toBe(null)
  })

  test('the same standing is the same object', () => {
    const before = localUploadOf(begun({}), true)
    expect(sameOr(before, localUploadOf(begun({}), true))).toBe(before)
    expect(sameOr(before, localUploadOf(begun({ sentBytes: 1 }), true))).not.toBe(before)
  })

  test('the sum has what arrived, and tells how long what moves will take', () => {
    const files = [
      begun({ isComplete: true, sizeBytes: 100 }),
      begun({ sentBytes: 50, acknowledgedBytes: 20, sizeBytes: 100, isActive: true }),
      begun({ isPaused: true, sizeBytes: 1_000 }),
    ]
    expect(totalOf(files, { canSend: true, bytesPerSecond: 10 })).toEqual({
      files: 3,
      done: 1,
      sentBytes: 150,
      acknowledgedBytes: 120,
      sizeBytes: 1_200,
      bytesPerSecond: 10,
      secondsLeft: 5,
      isMoving: true,
    })
  })

  test('there is none when nothing was begun, or all has arrived; what is paused or stopped does not move', () => {
    const told = { canSend: true, bytesPerSecond: 10 }
    expect(totalOf([], told)).toBe(null)
    expect(totalOf([begun({ isComplete: true })], told)).toBe(null)
    const still = totalOf([begun({ isPaused: true }), begun({ trouble: 'No.' })], told)
    expect(still).toMatchObject({ isMoving: false, bytesPerSecond: null, secondsLeft: null })
    expect(totalOf([begun({})], { canSend: true, bytesPerSecond: 0 })?.secondsLeft).toBe(null)
  })
})

describe('what is said by itself', () => {
  test.each([
    [0, 0.1, null],
    [0.1, 0.25, 25],
    [0.25, 0.3, null],
    [0.2, 0.8, 75],
    [0.74, 0.75, 75],
    [0.8, 1, null],
    [0.5, 0.4, null],
  ])('from %p to %p: %p', (before, now, quarter) => {
    expect(quarterPassed(before, now)).toBe(quarter)
  })

  test('a rate is of the last seconds, and unknown at first', () => {
    const rate = new Rate()
    rate.note(0, 0)
    rate.note(500, 1_000)
    expect(rate.bytesPerSecond()).toBe(null)
    rate.note(2_000, 2_000)
    expect(rate.bytesPerSecond()).toBe(1_000)
    for (let second = 3; second <= 30; second += 1) rate.note(2_000 + 100 * (second - 2), second * 1_000)
    expect(rate.bytesPerSecond()).toBe(100)
    rate.rest()
    expect(rate.bytesPerSecond()).toBe(null)
  })
})

function begun(file: Partial<BegunFile>): BegunFile {
  return {
    isPaused: false,
    isComplete: false,
    trouble: null,
    requestId: null,
    isActive: false,
    sizeBytes: 100,
    sentBytes: 0,
    acknowledgedBytes: 0,
    bytesPerSecond: null,
    ...file,
  }
}

/** What these rules read of a report. */
function unfinished(report: Partial<Report>): Report {
  return { state: 'receiving', relative_path: null, ...report } as Report
}
