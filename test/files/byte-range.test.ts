import { describe, expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import { type ByteRange, isNotModified, isRangeFresh, parseRange } from '../../server/files/byte-range.js'
import fc from '../support/properties.js'

function attempt(header: string | undefined, sizeBytes: number): ByteRange | null | 'refused' {
  try {
    return parseRange(header, sizeBytes)
  } catch (error) {
    expect(error).toBeInstanceOf(AppError)
    expect(error).toMatchObject({ code: 'RANGE_NOT_SATISFIABLE', details: { size: sizeBytes } })
    return 'refused'
  }
}

describe('parseRange', () => {
  test.each([
    [undefined, 10, null],
    ['bytes=0-0', 10, { start: 0, endInclusive: 0 }],
    ['bytes=0-9', 10, { start: 0, endInclusive: 9 }],
    ['bytes=3-5', 10, { start: 3, endInclusive: 5 }],
    ['bytes=3-', 10, { start: 3, endInclusive: 9 }],
    ['bytes=3-99999999999999999999999', 10, { start: 3, endInclusive: 9 }],
    ['bytes=-3', 10, { start: 7, endInclusive: 9 }],
    ['bytes=-10', 10, { start: 0, endInclusive: 9 }],
    ['bytes=-11', 10, { start: 0, endInclusive: 9 }],
    ['Bytes=1-2', 10, { start: 1, endInclusive: 2 }],
    ['bytes= 1-2 ', 10, { start: 1, endInclusive: 2 }],
    ['items=1-2', 10, null],
    ['bytesx=1-2', 10, null],
    ['bytes=-5', 0, null],
    ['bytes=10-', 10, 'refused'],
    ['bytes=99999999999999999999999-', 10, 'refused'],
    ['bytes=5-4', 10, 'refused'],
    ['bytes=-0', 10, 'refused'],
    ['bytes=-', 10, 'refused'],
    ['bytes=', 10, 'refused'],
    ['bytes', 10, 'refused'],
    ['bytes 1-2', 10, 'refused'],
    ['bytes=a-b', 10, 'refused'],
    ['bytes=0x1-2', 10, 'refused'],
    ['bytes=1.0-2', 10, 'refused'],
    ['bytes=+1-2', 10, 'refused'],
    ['bytes=--2', 10, 'refused'],
    ['bytes=0-1,3-4', 10, 'refused'],
    ['bytes=0-1,', 10, 'refused'],
    ['bytes=0-0', 0, 'refused'],
    ['bytes=0-', 0, 'refused'],
    ['bytes=-0', 0, 'refused'],
  ])('%j of %d bytes: %j', (header, sizeBytes, expected) => {
    expect(attempt(header, sizeBytes)).toEqual(expected)
  })

  // The oracle lays the bytes out and picks them one by one; it knows no arithmetic of ends.
  test('A range picks the same bytes as an array does', () => {
    const position = fc.option(fc.nat(40), { nil: undefined })
    fc.assert(
      fc.property(fc.nat(30), position, position, (sizeBytes, first, last) => {
        const offsets = Array.from({ length: sizeBytes }, (_, offset) => offset)
        const isSuffix = first === undefined
        const wanted = offsets.filter((offset) => {
          if (isSuffix) return offsets.slice(-(last ?? 0)).includes(offset) && (last ?? 0) > 0
          return offset >= first && (last === undefined || offset <= last)
        })
        const range = attempt(`bytes=${first ?? ''}-${last ?? ''}`, sizeBytes)
        const got =
          range === 'refused' || range === null ? [] : offsets.slice(range.start, range.endInclusive + 1)
        expect(got).toEqual(wanted)
        // Never an empty 206, and null (the whole) only where the whole is nothing.
        expect(range === null).toBe(sizeBytes === 0 && isSuffix && (last ?? 0) > 0)
        if (wanted.length > 0) expect(range).toEqual({ start: wanted[0], endInclusive: wanted.at(-1) })
      }),
      { numRuns: 2_000 },
    )
  })

  test('No header, however odd, gives a range outside the file or another error', () => {
    const odd = fc.oneof(
      fc.string(),
      fc.string().map((rest) => `bytes=${rest}`),
      fc.stringMatching(/^bytes=[0-9, -]{0,12}$/),
    )
    fc.assert(
      fc.property(odd, fc.nat(1_000), (header, sizeBytes) => {
        const range = attempt(header, sizeBytes)
        if (range === 'refused' || range === null) return
        expect(range.start).toBeGreaterThanOrEqual(0)
        expect(range.start).toBeLessThanOrEqual(range.endInclusive)
        expect(range.endInclusive).toBeLessThan(sizeBytes)
      }),
      { numRuns: 2_000 },
    )
  })
})

const etag = `"${'ab'.repeat(32)}"`
const lastModified = new Date('2026-11-21T08:30:15.678Z')

describe('isRangeFresh', () => {
  test.each([
    [undefined, true],
    [etag, true],
    [` ${etag} `, true],
    [`W/${etag}`, false],
    ['"other"', false],
    ['Sat, 21 Nov 2026 08:30:15 GMT', true],
    ['Sat, 21 Nov 2026 08:30:14 GMT', false],
    ['Sat, 21 Nov 2026 08:30:16 GMT', false],
    ['Sun, 22 Nov 2026 08:30:15 GMT', false],
    ['*', false],
    ['', false],
  ])('If-Range %j: %s', (ifRange, expected) => {
    expect(isRangeFresh(ifRange, etag, lastModified)).toBe(expected)
  })
})

describe('isNotModified', () => {
  test.each([
    [undefined, false],
    ['*', true],
    [etag, true],
    [`W/${etag}`, true],
    [`"x", ${etag}`, true],
    [`"a,b",W/${etag} , "c"`, true],
    ['"x", "y"', false],
    [etag.slice(1, -1), false],
    ['', false],
  ])('If-None-Match %j: %s', (ifNoneMatch, expected) => {
    expect(isNotModified(ifNoneMatch, etag)).toBe(expected)
  })
})
