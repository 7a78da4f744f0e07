import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { RunningDigest } from '../../server/digests/digest.js'
import { isAppError } from '../../server/errors.js'
import { nativeDigests } from './native-digests.js'

const refused = (saved: Uint8Array): unknown => {
  try {
    new RunningDigest(saved)
    return undefined
  } catch (error) {
    return error
  }
}

describe('a saved state', () => {
  // It is stored in the database for as long as an upload lives: a change needs a new version and a reader for this one.
  test('of "abc" is these bytes', () => {
    const saved = Buffer.from(new RunningDigest().update(Buffer.from('abc')).save())
    expect(saved.toString('hex')).toBe(
      [
        '01',
        '0300000000000000',
        '0123456789abcdeffedcba9876543210',
        '0123456789abcdeffedcba9876543210f0e1d2c3',
        '67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b',
        '616263',
      ].join(''),
    )
  })

  test('is 77 bytes and the tail after the last whole block', () => {
    for (const sizeBytes of [0, 1, 63, 64, 65, 127, 128, 1_000_000]) {
      expect(new RunningDigest().update(randomBytes(sizeBytes)).save()).toHaveLength(77 + (sizeBytes % 64))
    }
  })

  test('is a copy: neither changes with the other', () => {
    const digest = new RunningDigest().update(Buffer.from('abc'))
    const saved = digest.save()
    const loaded = new RunningDigest(saved)
    digest.update(Buffer.from('def'))
    saved.fill(0xff)
    expect(loaded.digests()).toEqual(nativeDigests(Buffer.from('abc')))
    expect(digest.digests()).toEqual(nativeDigests(Buffer.from('abcdef')))
  })

  test('is read from the middle of a larger buffer, as database drivers hand it over', () => {
    const saved = new RunningDigest().update(Buffer.from('abc')).save()
    const larger = Buffer.concat([Buffer.alloc(5, 0xaa), saved, Buffer.alloc(9, 0xbb)])
    const digest = new RunningDigest(larger.subarray(5, 5 + saved.length))
    expect(digest.digests()).toEqual(nativeDigests(Buffer.from('abc')))
  })

  test('goes on in another process', () => {
    const [before, after] = [randomBytes(1000), randomBytes(2345)]
    const saved = new RunningDigest().update(before).save()
    const module = new URL('../../server/digests/digest.js', import.meta.url).href
    const program = `
      const { RunningDigest } = await import(${JSON.stringify(module)})
      const [saved, bytes] = process.argv.slice(1).map((hex) => Buffer.from(hex, 'hex'))
      console.log(JSON.stringify(new RunningDigest(saved).update(bytes).digests()))`
    const hex = [saved, after].map((bytes) => Buffer.from(bytes).toString('hex'))
    const answer = execFileSync(process.execPath, ['--input-type=module', '-e', program, '--', ...hex])
    expect(JSON.parse(answer.toString())).toEqual(nativeDigests(before, after))
  })

  test("keeps a size of more than 32 bits, and refuses one that a number can't hold", () => {
    const saved = new RunningDigest().save()
    const size = new DataView(saved.buffer)
    size.setBigUint64(1, 2n ** 53n - 64n, true)
    expect(new RunningDigest(saved).sizeBytes).toBe(2 ** 53 - 64)
    size.setBigUint64(1, 2n ** 53n, true)
    expect(isAppError(refused(saved), 'INTERNAL')).toBe(true)
  })
})

describe('a state that was not saved here is refused', () => {
  const saved = new RunningDigest().update(randomBytes(100)).save()
  const otherVersion = Uint8Array.from(saved)
  otherVersion[0] = 2
  const otherSize = Uint8Array.from(saved)
  otherSize[1] = 101

  test.each([
    ['empty', new Uint8Array(0)],
    ['cut in the chaining values', saved.subarray(0, 76)],
    ['cut in the tail', saved.subarray(0, -1)],
    ['longer than its size says', Uint8Array.from([...saved, 0])],
    ['of another version', otherVersion],
    ['of another size', otherSize],
  ])('%s', (_, bytes) => {
    expect(isAppError(refused(bytes), 'INTERNAL')).toBe(true)
  })
})
