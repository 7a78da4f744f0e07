import { describe, expect, test } from '@jest/globals'
import {
  ALGORITHMS,
  compareDigests,
  compareSizes,
  mismatches,
} from '../../../client/dashboard/upload/comparison.js'

const DIGESTS = { md5: 'a'.repeat(32), sha1: 'b'.repeat(40), sha256: 'c'.repeat(64) }
const NOTHING = { md5: null, sha1: null, sha256: null }

describe('comparing sizes', () => {
  test.each([
    [5, 5, null],
    [0, 0, null],
    [5, 6, { kind: 'size', localBytes: 5, sentBytes: 6 }],
    [0, 1, { kind: 'size', localBytes: 0, sentBytes: 1 }],
    // Not known: the digests tell.
    [5, null, null],
  ])('of %p here and %p there tells %p', (local, sent, expected) => {
    expect(compareSizes(local, sent)).toEqual(expected)
  })
})

describe('comparing digests', () => {
  test('finds files equal whose three digests are', () => {
    expect(compareDigests({ ...DIGESTS }, DIGESTS)).toEqual({ kind: 'equal' })
  })

  test.each(ALGORITHMS)('names %s when it alone differs', (algorithm) => {
    const local = { ...DIGESTS, [algorithm]: 'other' }
    expect(compareDigests(local, DIGESTS)).toEqual({ kind: 'digests', differing: [algorithm], local })
  })
})

describe('what was announced and did not come', () => {
  test.each([
    ['nothing was announced', NOTHING, DIGESTS, []],
    ['what was announced came', DIGESTS, DIGESTS, []],
    ['nothing was found out', { ...NOTHING, md5: 'x' }, null, []],
    [
      'only some was announced',
      { ...NOTHING, md5: 'x', sha1: DIGESTS.sha1 },
      DIGESTS,
      [{ algorithm: 'md5', expected: 'x', found: DIGESTS.md5 }],
    ],
  ])('when %s', (_case, declared_checksums, checksums, expected) => {
    expect(mismatches({ declared_checksums, checksums })).toEqual(expected)
  })
})
