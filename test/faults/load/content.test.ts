import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import fc from '../../support/properties.js'
import { ContentComparison, contentOf, digestsOfContent } from './content.js'

const SIZE_BYTES = 3_000
const whole = contentOf('7-0-0', 0, SIZE_BYTES)

describe('The content of a file', () => {
  test('is the same wherever one begins to read', () => {
    const range = fc
      .tuple(fc.nat(SIZE_BYTES), fc.nat(SIZE_BYTES))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
    fc.assert(
      fc.property(range, ([from, to]) => {
        expect(contentOf('7-0-0', from, to - from).equals(whole.subarray(from, to))).toBe(true)
      }),
    )
  })

  test('is another one for another key', () => {
    expect(contentOf('7-0-1', 0, SIZE_BYTES).equals(whole)).toBe(false)
  })

  test('has the digests of its bytes, past the step in which they are made', () => {
    const sizeBytes = 1024 * 1024 + 17
    const md5 = createHash('md5')
      .update(contentOf('key', 0, sizeBytes))
      .digest('hex')
    expect(digestsOfContent('key', sizeBytes).md5).toBe(md5)
  })

  test('compared as it comes, tells where the first wrong byte stands', () => {
    const damaged = Buffer.from(whole)
    damaged[1_234] = (damaged[1_234] ?? 0) ^ 1
    const comparison = new ContentComparison('7-0-0', 0)
    comparison.add(damaged.subarray(0, 1_000))
    expect(comparison.firstWrong).toBeNull()
    comparison.add(damaged.subarray(1_000))
    expect([comparison.firstWrong, comparison.offset]).toEqual([1_234, SIZE_BYTES])
  })
})
