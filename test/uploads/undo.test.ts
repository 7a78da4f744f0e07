import { describe, expect, test } from '@jest/globals'
import { RunningDigest } from '../../server/digests/digest.js'
import { isAppError } from '../../server/errors.js'
import { receivedOf } from '../../server/uploads/received.js'
import {
  type PackageNow,
  pathTakenError,
  planDeletionWithUndo,
  restoreRefusal,
} from '../../server/uploads/undo.js'
import { goneError, isRestorable, UPLOAD_STATES, type Upload } from '../../server/uploads/upload.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { anUpload } from './an-upload.js'

const UNTIL = new Date('2026-11-21T17:00:00Z')
const undone = { restoreState: 'ready', restorableUntil: UNTIL, restorableInSeconds: 5 } as const
const tooLate = { restoreState: 'ready', restorableUntil: UNTIL, restorableInSeconds: 0 } as const
const purged = { restoreState: null, restorableUntil: UNTIL, restorableInSeconds: -5 } as const

/** What it answers, or the code of what it throws. */
function outcome<T>(act: () => T): T | string {
  try {
    return act()
  } catch (error) {
    if (!isAppError(error)) throw error
    return error.code
  }
}

test.each<[string, Partial<Upload>, string]>([
  ['receiving', {}, 'keep'],
  ['receiving, to be completed by a call', { finish: 'manual' }, 'keep'],
  ['receiving, by its only request', { finish: 'once' }, 'end'],
  ['receiving, past its end', { expiresInSeconds: 0 }, 'GONE'],
  ['a part, receiving', { concat: 'partial' }, 'INVALID_INPUT'],
  ['a part, ready', { concat: 'partial', state: 'ready' }, 'INVALID_INPUT'],
  ['a part that was deleted', { concat: 'partial', state: 'deleted' }, 'GONE'],
  ['made of parts', { concat: 'final;/uploads/a', state: 'ready' }, 'keep'],
  ['finalizing', { state: 'finalizing' }, 'CONFLICT'],
  ['finalizing, past its end', { state: 'finalizing', expiresInSeconds: -1 }, 'CONFLICT'],
  ['ready', { state: 'ready' }, 'keep'],
  ['ready, by its only request', { state: 'ready', finish: 'once' }, 'keep'],
  ['ready, past its end', { state: 'ready', expiresInSeconds: -1 }, 'GONE'],
  ['failed', { state: 'failed' }, 'end'],
  ['expired', { state: 'expired' }, 'GONE'],
  ['canceled for good', { state: 'canceled' }, 'GONE'],
  ['canceled, to be restored', { state: 'canceled', ...undone, restoreState: 'receiving' }, 'repeat'],
  ['deleted for good', { state: 'deleted' }, 'GONE'],
  ['deleted, to be restored', { state: 'deleted', ...undone }, 'repeat'],
  ['deleted, its time over', { state: 'deleted', ...tooLate }, 'GONE'],
  ['deleted and purged', { state: 'deleted', ...purged }, 'GONE'],
])('to delete so that it can be restored what is %s: %s', (_, changes, expected) => {
  expect(outcome(() => planDeletionWithUndo(anUpload(changes)))).toBe(expected)
})

const OPEN: PackageNow = { id: 'p', state: 'open' }

test.each<[string, Partial<Upload>, PackageNow | null, string | null, RegExp]>([
  ['receiving', {}, null, null, /./],
  ['receiving, past its end', { expiresInSeconds: 0 }, null, 'GONE', /expired at/],
  ['finalizing', { state: 'finalizing', expiresInSeconds: 0 }, null, null, /./],
  ['ready', { state: 'ready' }, OPEN, null, /./],
  ['failed', { state: 'failed' }, null, null, /./],
  ['expired', { state: 'expired' }, null, 'GONE', /expired at/],
  ['canceled for good', { state: 'canceled' }, null, 'CONFLICT', /was canceled for good.*Start a new upload/],
  ['deleted for good', { state: 'deleted' }, OPEN, 'CONFLICT', /was deleted for good/],
  ['its time over', { state: 'deleted', ...tooLate }, OPEN, 'GONE', /until 2026-11-21T17:00:00.000Z/],
  ['purged', { state: 'canceled', ...purged }, null, 'GONE', /until 2026-11-21T17:00:00.000Z/],
  [
    'of a finalized package',
    { state: 'deleted', ...undone },
    { id: 'p', state: 'finalized' },
    'PACKAGE_FINALIZED',
    /Package p was finalized without this file.*another package/,
  ],
  [
    'of a deleted package',
    { state: 'deleted', ...undone },
    { id: 'p', state: 'deleted' },
    'CONFLICT',
    /has ended meanwhile: p is deleted.*another package/,
  ],
  ['of a forgotten package', { state: 'deleted', ...undone }, null, 'CONFLICT', /has ended meanwhile\./],
])('what is %s is not restored, and why', (_, changes, packageNow, code, words) => {
  const refusal = restoreRefusal(anUpload(changes), packageNow)
  expect(refusal?.code ?? null).toBe(code)
  expect(refusal?.detail ?? 'nothing to say').toMatch(words)
})

test('only what is kept for longer than now can be restored', () => {
  expect([undone, tooLate, purged, {}].map((one) => isRestorable(anUpload(one)))).toEqual([
    true,
    false,
    false,
    false,
  ])
})

test('who comes to what is gone hears until when it can be restored, and no longer than that', () => {
  const words = (changes: Partial<Upload>) => goneError(anUpload({ state: 'deleted', ...changes })).detail
  expect(words(undone)).toContain('Until 2026-11-21T17:00:00.000Z POST /uploads/{id}/restore brings it back.')
  for (const changes of [tooLate, purged, {}]) expect(words(changes)).not.toContain('restore')
})

test('a path that is taken is named, with what stands there', () => {
  const named = pathTakenError('a/b.csv', { id: 'x', state: 'ready' })
  expect(named).toMatchObject({ code: 'CONFLICT', details: { relative_path: 'a/b.csv', upload_id: 'x' } })
  expect(named.detail).toBe(
    'Another file stands at "a/b.csv" of the package now: upload x, ready. DELETE /uploads/x or move it, then restore this one.',
  )
  expect(pathTakenError('a/b.csv', null).details).toEqual({ relative_path: 'a/b.csv' })
})

describe('the checksums of what has arrived', () => {
  const bytes = Buffer.from('the first bytes')
  const digestState = new RunningDigest().update(bytes).save()
  const some = { offsetBytes: BigInt(bytes.byteLength), digestState }
  const known = { md5: '1', sha1: '2', sha256: '3' }

  test('are those of the saved state; of nothing, those of nothing; once they are told, those', () => {
    expect(receivedOf(anUpload(some))).toEqual({ offset: bytes.byteLength, checksums: checksumsOf(bytes) })
    expect(receivedOf(anUpload())).toEqual({ offset: 0, checksums: checksumsOf(Buffer.alloc(0)) })
    const whole = { offsetBytes: 100n, ...known }
    for (const state of ['finalizing', 'ready'] as const)
      expect(receivedOf(anUpload({ state, ...whole }))).toEqual({ offset: 100, checksums: known })
  })

  test.each<[string, Partial<Upload>, RegExp]>([
    ['no state', { offsetBytes: 7n }, /of the 7 bytes that arrived are not known.*go on at offset 7/],
    [
      'a state that nobody can read',
      { offsetBytes: 7n, digestState: new Uint8Array(3) },
      /go on at offset 7/,
    ],
    [
      'bytes that are being read again',
      { state: 'finalizing', offsetBytes: 100n, digestState, rereadBytes: 15n },
      /are being read again: ask for the report/,
    ],
  ])('are not guessed from %s', (_, changes, words) => {
    const ask = () => receivedOf(anUpload(changes))
    expect(outcome(ask)).toBe('CONFLICT')
    expect(ask).toThrow(words)
  })

  test.each(UPLOAD_STATES.filter((state) => !['receiving', 'finalizing', 'ready'].includes(state)))(
    'of one that is %s are gone, whatever its record has',
    (state) => {
      expect(outcome(() => receivedOf(anUpload({ state, ...some, ...known, ...undone })))).toBe('GONE')
    },
  )
})
