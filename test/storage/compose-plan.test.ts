import { describe, expect, test } from '@jest/globals'
import { type PlannedPart, planComposition, type SourceRange } from '../../server/storage/compose-plan.js'
import { type ComposeSource, MOST_COMPOSE_SOURCES } from '../../server/storage/store.js'
import fc from '../support/properties.js'

const MIB = 1024 ** 2
const GIB = 1024 ** 3
const TIB = 1024 ** 4
/** S3's own bounds. */
const LEAST_PART_BYTES = 5 * MIB
const MOST_PART_BYTES = 5 * GIB
const MOST_PARTS = 10_000

const lengthOf = ({ range }: SourceRange) => range.end - range.start
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
const rangesOf = (part: PlannedPart) => (part.kind === 'copy' ? [part] : part.ranges)
const sizeOf = (part: PlannedPart) => sum(rangesOf(part).map(lengthOf))

const sourcesOf = (sizes: readonly number[]): ComposeSource[] =>
  sizes.map((sizeBytes, index) => ({ key: String(index), sizeBytes }))

/** Each part in words: `gather 0:0-1 1:0-4`, `copy 1:4-12`, in mebibytes; `copy 1` for a whole source. */
function plan(...mebibytes: number[]): string[] {
  const inMebibytes = ({ key, range }: SourceRange) => `${key}:${range.start / MIB}-${range.end / MIB}`
  return planComposition(sourcesOf(mebibytes.map((size) => size * MIB))).map((part) =>
    part.kind === 'copy'
      ? `copy ${part.isWhole ? part.key : inMebibytes(part)}`
      : `gather ${part.ranges.map(inMebibytes).join(' ')}`,
  )
}

describe('an object made of others', () => {
  test.each<[string, number[], string[]]>([
    ['of nothing has no parts', [], []],
    ['of empty ones has no parts', [0, 0], []],
    ['that is smaller than a part can be is sent at once', [1, 0, 2], ['gather 0:0-1 2:0-2']],
    ['of one small one is sent at once', [4], ['gather 0:0-4']],
    ['of large ones is copied', [5, 6, 16], ['copy 0', 'copy 1', 'copy 2']],
    ['leaves out what is empty', [0, 6, 0, 6, 0], ['copy 1', 'copy 3']],
    ['is copied to its end, however small that is', [5, 1], ['copy 0', 'copy 1']],
    [
      'fills a small one up from the next, whose rest is copied',
      [1, 12],
      ['gather 0:0-1 1:0-4', 'copy 1:4-12'],
    ],
    ['takes all of the next where its rest would be too small', [1, 8, 7], ['gather 0:0-1 1:0-8', 'copy 2']],
    ['copies the last rest, however small', [1, 8], ['gather 0:0-1 1:0-4', 'copy 1:4-8']],
    ['does not cut what S3 copies whole or not at all', [2, 5], ['gather 0:0-2 1:0-5']],
    [
      'gathers many small ones by fives',
      [2, 2, 2, 2, 2, 2, 2],
      ['gather 0:0-2 1:0-2 2:0-2', 'gather 3:0-2 4:0-2 5:0-2', 'copy 6'],
    ],
    ['gathers small ones at the end in one part', [6, 1, 1], ['copy 0', 'gather 1:0-1 2:0-1']],
    ['cuts a large one into equal parts', [1026], ['copy 0:0-342', 'copy 0:342-684', 'copy 0:684-1026']],
    ['copies 512 MiB at once', [512, 1024], ['copy 0', 'copy 1:0-512', 'copy 1:512-1024']],
  ])('%s', (_, mebibytes, parts) => {
    expect(plan(...mebibytes)).toEqual(parts)
  })

  test('of more than S3 has parts for is INVALID_INPUT', () => {
    expect(() => planComposition(sourcesOf(Array(MOST_COMPOSE_SOURCES + 1).fill(1)))).toThrow(
      expect.objectContaining({ name: 'AppError', code: 'INVALID_INPUT' }),
    )
  })
})

describe('whatever it is made of', () => {
  const edges = fc
    .tuple(fc.constantFrom(0, 1, 2, 5, 10, 512, 1024), fc.constantFrom(-1, 0, 1))
    .map(([mebibytes, more]) => Math.max(0, mebibytes * MIB + more))
  const small = fc.integer({ min: 0, max: 16 * MIB })
  const large = fc.integer({ min: 0, max: 20 * GIB })
  const sizes = fc.array(fc.oneof(edges, small, large), { maxLength: 200 })

  /** What a plan must hold; in loops of its own, since a matcher for each part would take minutes. */
  function check(sizes: readonly number[]): void {
    const parts = planComposition(sourcesOf(sizes))
    // Every byte, once, in order.
    const ranges = parts.flatMap(rangesOf)
    let at = 0
    for (const [index, sizeBytes] of sizes.entries()) {
      let position = 0
      while (position < sizeBytes) {
        const next = ranges[at++]
        if (next?.key !== String(index) || next.range.start !== position || lengthOf(next) <= 0)
          throw new Error(`Byte ${position} of source ${index} is followed by ${JSON.stringify(next)}.`)
        position = next.range.end
      }
      expect(position).toBe(sizeBytes)
    }
    expect(at).toBe(ranges.length)
    // What S3 takes.
    expect(parts.length).toBeLessThanOrEqual(MOST_PARTS)
    const tooSmall = parts.slice(0, -1).filter((part) => sizeOf(part) < LEAST_PART_BYTES)
    expect(tooSmall).toEqual([])
    for (const part of parts) {
      if (part.kind === 'gather') {
        expect(sizeOf(part)).toBeLessThan(2 * LEAST_PART_BYTES)
        continue
      }
      const sourceBytes = sizes[Number(part.key)] ?? 0
      expect(lengthOf(part)).toBeLessThanOrEqual(MOST_PART_BYTES)
      expect(part.isWhole).toBe(lengthOf(part) === sourceBytes)
      if (!part.isWhole && sourceBytes <= LEAST_PART_BYTES) throw new Error('S3 copies no range of this one.')
    }
    // Small ones are read, and once for each what fills them up.
    const gathered = parts.filter(({ kind }) => kind === 'gather')
    const smallOnes = sizes.filter((sizeBytes) => sizeBytes > 0 && sizeBytes < LEAST_PART_BYTES)
    expect(gathered.length).toBeLessThanOrEqual(smallOnes.length)
  }

  test('has every byte once and in order, in parts that S3 takes, and reads little', () => {
    fc.assert(fc.property(sizes, check), { numRuns: 300 })
  })

  test('fits in 10,000 parts: as many sources as there may be, and 5 TiB', () => {
    check(Array(MOST_COMPOSE_SOURCES).fill(Math.floor((5 * TIB) / MOST_COMPOSE_SOURCES)))
    check(Array(MOST_COMPOSE_SOURCES).fill(513 * MIB))
    check([5 * TIB])
    check([1, 5 * TIB - 2, 1])
  })
})
