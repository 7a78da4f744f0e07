import { describe, expect, test } from '@jest/globals'
import { type FileNumber, planFile, WAYS } from './file-plan.js'

const MOST_BYTES = 64 * 1024 * 1024
const files = (seed: number, count = 400) =>
  Array.from({ length: count }, (_, nth) => planFile({ seed, client: 0, nth, mostBytes: MOST_BYTES }))

describe('What a client will send', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(files(5, 20)).toEqual(files(5, 20))
    const sizes = (seed: number) => files(seed, 20).map(({ sizeBytes }) => sizeBytes)
    expect(sizes(6)).not.toEqual(sizes(5))
  })

  test('comes every way, with every fate, and in every size', () => {
    const planned = files(1)
    expect(new Set(planned.map(({ way }) => way))).toEqual(new Set(WAYS))
    expect(new Set(planned.map(({ fate }) => fate.kind))).toEqual(
      new Set(['kept', 'deleted', 'undone', 'left']),
    )
    expect(planned.some(({ sizeBytes }) => sizeBytes === 0)).toBe(true)
    // More than two parts of S3.
    expect(planned.some(({ sizeBytes }) => sizeBytes > 32 * 1024 * 1024)).toBe(true)
    expect(planned.filter(({ sizeBytes }) => sizeBytes <= 128 * 1024).length).toBeGreaterThan(200)
  })

  test('is never larger than there is room for', () => {
    const small: FileNumber = { seed: 1, client: 0, nth: 0, mostBytes: 1_000 }
    for (let nth = 0; nth < 200; nth += 1)
      expect(planFile({ ...small, nth }).sizeBytes).toBeLessThanOrEqual(1_000)
  })
})
