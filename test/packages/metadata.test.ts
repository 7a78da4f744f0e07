// What a package's metadata may be.

import { describe, expect, test } from '@jest/globals'
import { metadataProblem, normalizedMetadata } from '../../server/packages/metadata.js'

function nested(depth: number, innermost = '{}'): unknown {
  return JSON.parse(`${'{"a":'.repeat(depth - 1)}${innermost}${'}'.repeat(depth - 1)}`)
}

describe('metadata', () => {
  test.each<[string, unknown]>([
    ['nothing', {}],
    ['every kind of value', { a: null, b: true, c: 'text', d: 1.5, e: [1, [2]], f: { g: {} } }],
    ['the largest whole numbers', { a: Number.MAX_SAFE_INTEGER, b: Number.MIN_SAFE_INTEGER }],
    ['the smallest fraction', { a: 5e-324 }],
    ['an empty key', { '': 1 }],
    ['a key of 200 characters', { ['k'.repeat(200)]: 1 }],
    ['8 objects in each other', nested(8)],
    ['64 KiB of JSON', { a: 'x'.repeat(64 * 1024 - 8) }],
    ['names that objects have from birth', { constructor: 1, toString: 2, hasOwnProperty: 3 }],
  ])('may be %s', (_name, value) => {
    expect(metadataProblem(value)).toBeNull()
    expect(normalizedMetadata(value)).toEqual(value)
  })

  test.each<[string, unknown, RegExp]>([
    ['a list', [], /JSON object/],
    ['null', null, /JSON object/],
    ['text', 'a', /JSON object/],
    ['9 objects in each other', nested(9), /deeper than 8/],
    ['8 objects with a list inside', nested(8, '{"a":[]}'), /deeper than 8/],
    ['10,000 objects in each other', nested(10_000), /deeper than 8/],
    ['more than 64 KiB of JSON', { a: 'x'.repeat(64 * 1024 - 7) }, /65536 bytes/],
    ['a key of 201 characters', { ['k'.repeat(201)]: 1 }, /200 characters/],
    ['NUL in text', { a: ['\0'] }, /U\+0000/],
    ['NUL in a key', { a: { '\0': 1 } }, /U\+0000/],
    ['half a character in text', { a: '\ud800' }, /Unicode/],
    ['half a character in a key', { '\udc00': 1 }, /Unicode/],
    ['a number that JSON.parse made infinite', JSON.parse('{"a":1e999}'), /too large/],
    ['a whole number that has lost its end', JSON.parse('{"a":9007199254740993}'), /2\^53/],
    ['a very large whole number', { a: -1e300 }, /2\^53/],
    ['the key __proto__', JSON.parse('{"a":{"__proto__":{"b":1}}}'), /__proto__/],
    ['one key in two spellings', { 'caf\u00e9': 1, 'cafe\u0301': 2 }, /twice/],
  ])('can’t be %s', (_name, value, problem) => {
    expect(metadataProblem(value)).toMatch(problem)
  })

  test('text is read in NFC, keys too, and -0 as 0', () => {
    const read = normalizedMetadata({ 'cafe\u0301': ['e\u0301', { 'o\u0308': -0 }] })
    expect(JSON.stringify(read)).toBe('{"caf\u00e9":["\u00e9",{"\u00f6":0}]}')
    expect(Object.is((read['caf\u00e9'] as [string, { ö: number }])[1]['\u00f6'], 0)).toBe(true)
  })
})
