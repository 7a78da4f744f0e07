// What a check says, before it stands in a report.

import { describe, expect, test } from '@jest/globals'
import { FirstBytes, wordsOf } from '../../server/hooks/words.js'

describe('words', () => {
  test.each([
    ['stream: Eicar-Signature FOUND\n', 'stream: Eicar-Signature FOUND'],
    ['first line\r\n\n  second\tline\n', 'first line second line'],
    ['größer als 5 °C 🧀', 'größer als 5 °C 🧀'],
    ['\u001b[31mred\u001b[0m\u0000\u0007\u009b', '[31mred[0m'],
    ['name\u202egnp.exe\u2066', 'namegnp.exe'],
    ['a\u2028b\u2029c', 'a b c'],
    ['half a pair: \ud83e', 'half a pair: \ufffd'],
    ['', ''],
    [' \n\t', ''],
  ])('of %j are %j', (text, words) => {
    expect(wordsOf(text)).toBe(words)
  })

  test('are cut at 1,000 characters, and never through one', () => {
    expect(wordsOf('🧀'.repeat(1000))).toBe('🧀'.repeat(1000))
    expect(wordsOf('🧀'.repeat(1001))).toBe(`${'🧀'.repeat(999)}…`)
  })
})

describe('the first bytes', () => {
  test('are kept up to the bound, whatever the chunks are', () => {
    const bytes = new FirstBytes(5)
    expect(bytes.add(Buffer.from('ab'))).toBe(true)
    expect(bytes.add(Buffer.from('cdefg'))).toBe(false)
    expect(bytes.add(Buffer.from('h'))).toBe(false)
    expect(bytes.text()).toBe('abcde')
  })

  test('leave out a character that the bound has cut, and mark what is no UTF-8', () => {
    const cut = new FirstBytes(4)
    cut.add(Buffer.from('abcü'))
    expect(cut.text()).toBe('abc')
    const wrong = new FirstBytes(16)
    wrong.add(Buffer.from([0x61, 0xff, 0x62, 0xc3]))
    expect(wrong.text()).toBe('a\ufffdb\ufffd')
  })
})
