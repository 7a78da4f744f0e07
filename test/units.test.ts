import { expect, test } from '@jest/globals'
import { parseByteCount, parseDurationSeconds } from '../server/units.js'
import fc from './support/properties.js'

test.each([
  ['90s', 90],
  ['15m', 900],
  ['12h', 43_200],
  ['30d', 2_592_000],
  ['0s', 0],
  ['30', undefined],
  ['1w', undefined],
  ['-1s', undefined],
  ['1.5h', undefined],
  [' 1h', undefined],
  ['', undefined],
])('The duration %j is %s seconds', (text, seconds) => {
  expect(parseDurationSeconds(text)).toBe(seconds)
})

test.each([
  ['0', 0],
  ['1073741824', 1_073_741_824],
  ['1KiB', 1_024],
  ['1 MiB', 1_048_576],
  ['5TiB', 5_497_558_138_880],
  ['9007199254740991', 9_007_199_254_740_991],
  ['9007199254740992', undefined],
  ['8192TiB', undefined],
  ['5TB', undefined],
  ['5 kib', undefined],
  ['-1', undefined],
  ['1e9', undefined],
  ['', undefined],
])('The size %j is %s bytes', (text, bytes) => {
  expect(parseByteCount(text)).toBe(bytes)
})

test('Every safe whole number is its own size', () => {
  fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseByteCount(String(bytes)) === bytes))
})
