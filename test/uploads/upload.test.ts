import { describe, expect, test } from '@jest/globals'
import {
  assertAlive,
  assertAppend,
  assertSize,
  contentWarnings,
  declaredDigests,
  declaredMismatch,
  goneError,
  isTombstone,
  TOMBSTONE_STATES,
  UPLOAD_STATES,
  type Upload,
} from '../../server/uploads/upload.js'
import { anUpload } from './an-upload.js'

const MAX_FILE_BYTES = 1_000

/** The code of the refusal, or 'taken'. */
function outcome(act: () => void): string {
  try {
    act()
    return 'taken'
  } catch (error) {
    expect(error).toMatchObject({ name: 'AppError', detail: expect.stringMatching(/\.$/) })
    return (error as { code: string }).code
  }
}

describe('a size', () => {
  test.each([
    [null, 'taken'],
    [0, 'taken'],
    [MAX_FILE_BYTES, 'taken'],
    [MAX_FILE_BYTES + 1, 'PAYLOAD_TOO_LARGE'],
    [Number.MAX_SAFE_INTEGER, 'PAYLOAD_TOO_LARGE'],
  ])('of %p is %s', (sizeBytes, expected) => {
    expect(outcome(() => assertSize(sizeBytes, MAX_FILE_BYTES))).toBe(expected)
  })
})

describe('being alive', () => {
  test.each([
    ['receiving', 1, 'taken'],
    ['receiving', 0, 'GONE'],
    ['receiving', -5, 'GONE'],
    ['ready', 0.001, 'taken'],
    ['ready', -1, 'GONE'],
    ['finalizing', 10, 'taken'],
    // Its last byte is acknowledged: it is finished first.
    ['finalizing', -10, 'taken'],
    ['failed', 10, 'GONE'],
    ['canceled', 10, 'GONE'],
    ['expired', 10, 'GONE'],
    ['deleted', 10, 'GONE'],
  ] as const)('%s with %d seconds left: %s', (state, expiresInSeconds, expected) => {
    expect(outcome(() => assertAlive(anUpload({ state, expiresInSeconds })))).toBe(expected)
  })

  test('exactly the states that answer 410 are tombstones', () => {
    const tombstones = UPLOAD_STATES.filter((state) => isTombstone(anUpload({ state })))
    expect(tombstones).toEqual(TOMBSTONE_STATES)
    expect(tombstones).toEqual(['failed', 'canceled', 'expired', 'deleted'])
  })

  test.each([
    [{ state: 'failed', errorCode: 'HASH_MISMATCH', errorDetail: 'Not these bytes.' }, 'Not these bytes.'],
    [{ state: 'failed', errorDetail: null }, 'no reason'],
    [{ state: 'canceled' }, 'canceled'],
    [{ state: 'deleted' }, 'deleted'],
    [{ state: 'expired' }, 'expired at 2026-01-31T00:00:00.000Z'],
    // Past its end, and the sweep hasn't been here.
    [{ state: 'receiving' }, 'expired at 2026-01-31T00:00:00.000Z'],
  ] as [Partial<Upload>, string][])('%j is told as "%s"', (changes, said) => {
    const upload = anUpload(changes)
    expect(goneError(upload)).toMatchObject({
      code: 'GONE',
      detail: expect.stringContaining(said),
      details: { state: upload.state, error: upload.errorCode },
    })
  })
})

describe('an append', () => {
  const known = { sizeBytes: 100n, offsetBytes: 40n }
  const deferred = { sizeBytes: null, offsetBytes: 40n }

  test.each<[string, Partial<Upload>, [number, number | null, number | null], string]>([
    ['the next bytes', known, [40, 10, null], 'taken'],
    ['no bytes', known, [40, 0, null], 'taken'],
    ['the last bytes', known, [40, 60, null], 'taken'],
    ['bytes that nobody counted', known, [40, null, null], 'taken'],
    ['a byte too many', known, [40, 61, null], 'PAYLOAD_TOO_LARGE'],
    ['an offset before', known, [39, 1, null], 'OFFSET_MISMATCH'],
    ['an offset behind', known, [41, 1, null], 'OFFSET_MISMATCH'],
    ['a wrong offset and too many', known, [0, 1_000, null], 'OFFSET_MISMATCH'],
    ['the length once more, the same', known, [40, 10, 100], 'taken'],
    ['another length', known, [40, 10, 101], 'INVALID_INPUT'],
    ['a length for a deferred one', deferred, [40, 10, 100], 'taken'],
    ['a length that is reached', deferred, [40, 0, 40], 'taken'],
    ['a length that is passed already', deferred, [40, 0, 39], 'INVALID_INPUT'],
    ['a length that this body passes', deferred, [40, 10, 49], 'PAYLOAD_TOO_LARGE'],
    ['a length over the limit', deferred, [40, 0, MAX_FILE_BYTES + 1], 'PAYLOAD_TOO_LARGE'],
    ['a length at the limit', deferred, [40, 0, MAX_FILE_BYTES], 'taken'],
    ['bytes without a length, up to the limit', deferred, [40, MAX_FILE_BYTES - 40, null], 'taken'],
    [
      'bytes without a length, past the limit',
      deferred,
      [40, MAX_FILE_BYTES - 39, null],
      'PAYLOAD_TOO_LARGE',
    ],
    ['bytes for what has ended', { ...known, state: 'canceled' }, [40, 10, null], 'GONE'],
    ['bytes for what is past its end', { ...known, expiresInSeconds: -1 }, [40, 10, null], 'GONE'],
  ])('%s', (_, changes, [offset, announcedBytes, declaredSizeBytes], expected) => {
    const request = { offset, announcedBytes, declaredSizeBytes }
    expect(outcome(() => assertAppend(anUpload(changes), request, MAX_FILE_BYTES))).toBe(expected)
  })

  test('a refusal for the offset says where to go on', () => {
    const request = { offset: 7, announcedBytes: 1, declaredSizeBytes: null }
    expect(() => assertAppend(anUpload(known), request, MAX_FILE_BYTES)).toThrow(/Resume at offset 40\./)
  })
})

describe('declared digests', () => {
  const computed = { md5: 'm', sha1: 's', sha256: 'x' }

  test('only what was declared is compared', () => {
    expect(declaredMismatch({}, computed)).toBeNull()
    expect(declaredMismatch({ sha1: 's' }, computed)).toBeNull()
    expect(declaredMismatch(computed, computed)).toBeNull()
  })

  test.each(['md5', 'sha1', 'sha256'] as const)('a %s that differs is told with both', (algorithm) => {
    const mismatch = declaredMismatch({ ...computed, [algorithm]: 'other' }, computed)
    expect(mismatch).toMatchObject({
      code: 'HASH_MISMATCH',
      details: { algorithm, declared: 'other', computed: computed[algorithm] },
    })
  })

  test("come from the record's columns", () => {
    expect(declaredDigests(anUpload())).toEqual({})
    expect(declaredDigests(anUpload({ declaredMd5: 'm', declaredSha256: 'x' }))).toEqual({
      md5: 'm',
      sha256: 'x',
    })
  })
})

describe('what PASTA will refuse is told to the uploader', () => {
  test.each<[string, number, string, string | null, number]>([
    ['data', 10, 'a,b\n1,2\n', 'text/csv', 0],
    ['an empty file', 0, '', 'text/csv', 1],
    ['a page', 100, '<!DOCTYPE html><html>', 'text/csv', 1],
    ['a page without a doctype', 100, '  <HTML lang="en">', null, 1],
    ['a bare page', 100, '<html>', 'application/octet-stream', 1],
    ['a page that says it is one', 100, '<!doctype html>', 'text/html', 0],
    ['a page that says it is one, with parameters', 100, '<!doctype html>', 'text/html; charset=utf-8', 0],
    ['a word that begins like html', 100, '<htmlx', 'text/csv', 0],
    ['bytes outside ASCII', 100, '\u00ff\u0000\u00fe', null, 0],
  ])('%s', (_, sizeBytes, head, contentType, count) => {
    expect(contentWarnings(sizeBytes, Buffer.from(head, 'latin1'), contentType)).toHaveLength(count)
  })
})
