import { randomBytes } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { RunningDigest } from '../../server/digests/digest.js'
import { openEngine } from '../../server/digests/engine-choice.js'
import fc from '../support/properties.js'
import { engines } from './engines.js'
import { nativeDigests } from './native-digests.js'

const MIB = 1024 * 1024

describe.each(engines)('$name', (seed) => {
  const engine = openEngine(seed)
  const running = (savedState?: Uint8Array) => new RunningDigest(savedState, engine)
  const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 })

  describe('known answers', () => {
    test("are RFC 1321's and FIPS 180's own for abc", () => {
      expect(running().update(Buffer.from('abc')).digests()).toEqual({
        md5: '900150983cd24fb0d6963f7d28e17f72',
        sha1: 'a9993e364706816aba3e25717850c26c9cd0d89d',
        sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      })
    })

    test('are those of no bytes before the first update', () => {
      const digest = running()
      expect(digest.sizeBytes).toBe(0)
      expect(digest.digests()).toEqual(nativeDigests())
      expect(digest.update(new Uint8Array(0)).digests()).toEqual(nativeDigests())
    })
  })

  describe('against node:crypto', () => {
    test('every size about the boundaries of blocks and padding agrees', () => {
      for (let sizeBytes = 0; sizeBytes <= 200; sizeBytes++) {
        const bytes = randomBytes(sizeBytes)
        expect({ sizeBytes, ...running().update(bytes).digests() }).toEqual({
          sizeBytes,
          ...nativeDigests(bytes),
        })
      }
    })

    test('sizes about the boundaries of what an algorithm is given at once agree, with and without a tail before', () => {
      const about = (inputBytes: number) =>
        [-65, -64, -1, 0, 1, 63, 64, 65, inputBytes].map((more) => inputBytes + more)
      for (const sizeBytes of [...about(32 * 1024), ...about(60 * 1024)]) {
        for (const before of [0, 1, 63]) {
          const [head, bytes] = [randomBytes(before), randomBytes(sizeBytes)]
          const digest = running().update(head).update(bytes)
          expect(digest.digests()).toEqual(nativeDigests(head, bytes))
          expect(digest.sizeBytes).toBe(before + sizeBytes)
        }
      }
    })

    test('any split agrees', () => {
      fc.assert(
        fc.property(pieces, (parts) => {
          const digest = running()
          for (const part of parts) digest.update(part)
          expect(digest.digests()).toEqual(nativeDigests(...parts))
        }),
      )
    })

    test('any split agrees when each part goes on from the saved state of the one before', () => {
      fc.assert(
        fc.property(pieces, (parts) => {
          let saved: Uint8Array | undefined
          for (const part of parts) saved = running(saved).update(part).save()
          const digest = running(saved)
          expect(digest.digests()).toEqual(nativeDigests(...parts))
          expect(digest.sizeBytes).toBe(parts.reduce((sum, part) => sum + part.length, 0))
        }),
      )
    })

    test('random sizes up to megabytes, split at random, agree', () => {
      const sizes = fc.array(fc.integer({ min: 0, max: 400_000 }), { minLength: 1, maxLength: 6 })
      const content = randomBytes(6 * 400_000)
      fc.assert(
        fc.property(sizes, (sizesBytes) => {
          let end = 0
          const parts = sizesBytes.map((sizeBytes) => {
            end += sizeBytes
            return content.subarray(end - sizeBytes, end)
          })
          let digest = running()
          for (const part of parts) digest = running(digest.update(part).save())
          expect(digest.digests()).toEqual(nativeDigests(content.subarray(0, end)))
        }),
        { numRuns: 25 },
      )
    })

    // A length in bits takes more than 32 bits from 512 MiB on.
    test('more than 512 MiB agree, saved and loaded on the way', () => {
      const piece = randomBytes(8 * MIB)
      const parts = [...new Array<Uint8Array>(64).fill(piece), piece.subarray(0, 100)]
      let digest = running()
      for (const [index, part] of parts.entries()) {
        digest.update(part)
        if (index % 16 === 15) digest = running(digest.save())
      }
      expect(digest.sizeBytes).toBe(512 * MIB + 100)
      expect(digest.digests()).toEqual(nativeDigests(...parts))
    })
  })

  describe('a running digest', () => {
    test('goes on undisturbed after its digests were asked for', () => {
      const digest = running().update(Buffer.from('first'))
      const saved = digest.save()
      expect(digest.digests()).toEqual(nativeDigests(Buffer.from('first')))
      expect(digest.save()).toEqual(saved)
      expect(digest.update(Buffer.from(' second')).digests()).toEqual(
        nativeDigests(Buffer.from('first second')),
      )
    })

    test('keeps nothing of the bytes it was given', () => {
      const bytes = Buffer.from('overwritten soon')
      const digest = running().update(bytes)
      bytes.fill(0)
      expect(digest.digests()).toEqual(nativeDigests(Buffer.from('overwritten soon')))
    })

    test("does not see another's bytes", () => {
      const [one, other] = [running(), running()]
      const [ones, others] = [randomBytes(5000), randomBytes(5000)]
      for (let at = 0; at < 5000; at += 500) {
        one.update(ones.subarray(at, at + 500))
        other.update(others.subarray(at, at + 500))
      }
      expect(one.digests()).toEqual(nativeDigests(ones))
      expect(other.digests()).toEqual(nativeDigests(others))
    })
  })
})

describe('the two engines', () => {
  test("go on from each other's states, at any byte", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (parts) => {
        let digest = new RunningDigest()
        for (const [index, part] of parts.entries()) {
          digest = new RunningDigest(digest.save(), openEngine(engines[index % 2]!)).update(part)
        }
        expect(digest.digests()).toEqual(nativeDigests(...parts))
      }),
    )
  })
})
