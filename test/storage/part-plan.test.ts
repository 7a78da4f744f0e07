import { describe, expect, test } from '@jest/globals'
import { joinFrom, LEAST_PART_BYTES, nextPartBytes } from '../../server/storage/part-plan.js'
import fc from '../support/properties.js'

const MIB = 1024 ** 2
const GIB = 1024 ** 3
const TIB = 1024 ** 4
/** S3's own bounds. */
const MOST_PARTS = 10_000
const MOST_PART_BYTES = 5 * GIB
const MOST_BYTES = 5 * TIB

interface Cut {
  startBytes: number
  sizeBytes: number
}

interface Plan {
  sizeBytes: number
  /** The size is not known before so many parts are there; 0: from the start. */
  isToldAfterParts: number
}

/** All parts of an upload, from behind `done` on. */
function cut({ sizeBytes, isToldAfterParts }: Plan, done: readonly Cut[] = []): Cut[] {
  const parts = [...done]
  for (;;) {
    const last = parts.at(-1)
    const positionBytes = last === undefined ? 0 : last.startBytes + last.sizeBytes
    if (positionBytes === sizeBytes) return parts
    const plannedBytes = nextPartBytes({
      partCount: parts.length,
      positionBytes,
      lastPartBytes: last?.sizeBytes ?? 0,
      sizeBytes: parts.length >= isToldAfterParts ? sizeBytes : null,
    })
    parts.push({ startBytes: positionBytes, sizeBytes: Math.min(plannedBytes, sizeBytes - positionBytes) })
  }
}

/** From a byte to 5 TiB, small and large ones alike. */
const sizes = fc
  .double({ min: 0, max: Math.log2(MOST_BYTES), noNaN: true })
  .map((exponent) => Math.min(MOST_BYTES, Math.max(1, Math.floor(2 ** exponent))))

/** Far more than any plan has: the length is never told. */
const NEVER = Number.POSITIVE_INFINITY

describe('a part of an upload whose size is known', () => {
  test.each([
    [1, 16],
    [16 * MIB, 16],
    [1 * GIB, 16],
    // The last that 9,000 parts of 16 MiB hold, and a byte more.
    [9000 * 16 * MIB, 16],
    [9000 * 16 * MIB + 1, 17],
    [1 * TIB, 117],
    [MOST_BYTES, 583],
  ])('of %d bytes has %d MiB', (sizeBytes, partMebibytes) => {
    const [first] = cut({ sizeBytes, isToldAfterParts: 0 })
    expect(first?.sizeBytes).toBe(Math.min(sizeBytes, partMebibytes * MIB))
  })

  test('is as long as every other but the last, of whole mebibytes, at least 16, and there are at most 9,000', () => {
    fc.assert(
      fc.property(sizes, (sizeBytes) => {
        const parts = cut({ sizeBytes, isToldAfterParts: 0 })
        const partBytes = Math.max(LEAST_PART_BYTES, Math.ceil(sizeBytes / 9000 / MIB) * MIB)
        expect(parts.length).toBe(Math.ceil(sizeBytes / partBytes))
        expect(parts.length).toBeLessThanOrEqual(9000)
        expect(new Set(parts.slice(0, -1).map((part) => part.sizeBytes))).toEqual(
          new Set(parts.length > 1 ? [partBytes] : []),
        )
        expect(partBytes % MIB).toBe(0)
      }),
    )
  })
})

describe('a part of an upload whose size is not known yet', () => {
  test('is 16 MiB long, and twice as long after each thousand', () => {
    const parts = cut({ sizeBytes: 100 * GIB, isToldAfterParts: NEVER })
    expect([0, 999, 1000, 1999, 2000].map((index) => (parts[index]?.sizeBytes ?? 0) / MIB)).toEqual([
      16, 16, 32, 32, 64,
    ])
  })

  test('lets 5 TiB end within 10,000 parts of at most 5 GiB', () => {
    const parts = cut({ sizeBytes: MOST_BYTES, isToldAfterParts: NEVER })
    expect(parts.length).toBeLessThan(8500)
    expect(Math.max(...parts.map((part) => part.sizeBytes))).toBeLessThanOrEqual(MOST_PART_BYTES)
  })

  test('leaves room for any length, whenever it is told', () => {
    const plan = fc.record({ sizeBytes: sizes, isToldAfterParts: fc.nat({ max: 9000 }) })
    fc.assert(
      fc.property(plan, (wanted) => {
        const parts = cut(wanted)
        expect(parts.length).toBeLessThanOrEqual(MOST_PARTS)
        for (const [index, { sizeBytes }] of parts.entries()) {
          if (index === parts.length - 1) break
          if (sizeBytes < LEAST_PART_BYTES || sizeBytes > MOST_PART_BYTES || sizeBytes % MIB !== 0)
            throw new Error(`Part ${index + 1} has ${sizeBytes} bytes.`)
        }
      }),
    )
  })
})

test('whoever goes on behind any of the parts cuts at the same bytes', () => {
  const plan = fc.record({ sizeBytes: sizes, isToldAfterParts: fc.constantFrom(0, 1, 500, 1500, NEVER) })
  fc.assert(
    fc.property(plan, fc.nat(), (wanted, at) => {
      const parts = cut(wanted)
      expect(cut(wanted, parts.slice(0, at % (parts.length + 1)))).toEqual(parts)
    }),
  )
})

/** A tail that grows by these pieces, and how many bytes were sent for it. */
function grow(newBytes: readonly number[]): { pieces: number[]; sentBytes: number; mostPieces: number } {
  let pieces: number[] = []
  let sentBytes = 0
  let mostPieces = 0
  for (const bytes of newBytes) {
    const from = joinFrom(pieces, bytes)
    const joined = pieces.slice(from).reduce((sum, piece) => sum + piece, bytes)
    pieces = [...pieces.slice(0, from), joined]
    sentBytes += joined
    mostPieces = Math.max(mostPieces, pieces.length)
  }
  return { pieces, sentBytes, mostPieces }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

describe('the pieces of a tail', () => {
  test.each<[string, number[], number, number]>([
    ['the first is alone', [], 10, 0],
    ['seven of a size stay', [10, 10, 10, 10, 10, 10], 10, 6],
    ['the eighth swallows them', [10, 10, 10, 10, 10, 10, 10], 10, 0],
    ['a larger one before them stays', [11, 10, 10, 10, 10, 10, 10, 10], 10, 1],
    ['a large new one swallows small ones only when they are many', [1, 1, 1], 1000, 3],
    [
      'what is joined is as large as those before, and swallows them too',
      [...Array(7).fill(80), ...Array(7).fill(10)],
      10,
      0,
    ],
    ['over 8 MiB they stay as they are', Array(20).fill(8 * MIB + 1), 8 * MIB + 1, 20],
    ['of 8 MiB, eight are joined', Array(7).fill(8 * MIB), 8 * MIB, 0],
  ])('%s', (_, pieces, newBytes, from) => {
    expect(joinFrom(pieces, newBytes)).toBe(from)
  })

  test('of one size are few, and each byte is sent about log8(n) times', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_536 }), fc.integer({ min: 1, max: 3000 }), (bytes, count) => {
        const sizeBytes = bytes * count
        fc.pre(sizeBytes <= LEAST_PART_BYTES)
        const { pieces, sentBytes, mostPieces } = grow(Array(count).fill(bytes))
        const levels = Math.ceil(Math.log(count) / Math.log(8)) + 1
        expect(sum(pieces)).toBe(sizeBytes)
        expect(mostPieces).toBeLessThanOrEqual(7 * levels)
        expect(sentBytes).toBeLessThanOrEqual(sizeBytes * levels)
      }),
    )
  })

  test('of any sizes keep their order and their sum, and no byte is sent again but into a piece twice as large', () => {
    const many = fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 400 })
    fc.assert(
      fc.property(many, (newBytes) => {
        const { pieces, sentBytes } = grow(newBytes)
        expect(sum(pieces)).toBe(sum(newBytes))
        // A new piece of 1 byte has 24 doublings to 16 MiB.
        expect(sentBytes).toBeLessThanOrEqual(25 * sum(newBytes))
        expect(sentBytes).toBeLessThanOrEqual(5 * sum(newBytes) + 25 * 300_000)
      }),
    )
  })

  test('of sizes that fall stay few, too', () => {
    const falling = Array.from({ length: 3000 }, (_, index) => 5000 - index)
    const { mostPieces, sentBytes } = grow(falling)
    expect(mostPieces).toBeLessThan(100)
    expect(sentBytes).toBeLessThan(30 * sum(falling))
  })

  test('behind many large ones are joined as ever: a small one does not cost the tail', () => {
    const large = Array<number>(100).fill(9 * MIB)
    const { sentBytes } = grow([...large, ...Array<number>(1000).fill(10_000)])
    expect(sentBytes - sum(large)).toBeLessThan(5 * 1000 * 10_000)
  })

  test('of random sizes stay few', () => {
    const many = fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 200, maxLength: 400 })
    // What the rule promises: 64 small ones, and as many of over 8 MiB as their bytes can make.
    const most = 64 + Math.floor((400 * 65_536) / (8 * MIB))
    fc.assert(fc.property(many, (newBytes) => expect(grow(newBytes).mostPieces).toBeLessThanOrEqual(most)))
  })
})
