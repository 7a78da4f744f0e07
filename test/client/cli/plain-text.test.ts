import { describe, expect, test } from '@jest/globals'
import { displayWidth } from '../../../client/cli/display-width.js'
import { plainText } from '../../../client/cli/plain-text.js'
import { tableLines } from '../../../client/cli/table.js'
import fc from '../../support/properties.js'

describe('plainText', () => {
  test.each([
    ['temperature.csv', 'temperature.csv'],
    ['湖の水温.csv', '湖の水温.csv'],
    ['e\u0301te\u0301.csv', 'e\u0301te\u0301.csv'],
    ['👩‍🔬 lab.csv', '👩‍🔬 lab.csv'],
    ['a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
    ['\u0000\u007f\u009b', '\\x00\\x7f\\x9b'],
    ['evil\u202evsc.exe', 'evil\\u202evsc.exe'],
    ['\u2066a\u2069\u200e\u2028', '\\u2066a\\u2069\\u200e\\u2028'],
    ['\ud800x', '\\ud800x'],
    ['\ufeffname', '\\ufeffname'],
    ['soft\u00adhyphen\u180e\u2061', 'soft\\xadhyphen\\u180e\\u2061'],
    ['\u{e0041}tag', '\\u{e0041}tag'],
    ['\u0627\u0600', '\u0627\u0600'],
  ])('%j reads %j', (name, line) => {
    expect(plainText(name)).toBe(line)
  })

  test('whatever a name holds, it is one line that moves nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (name) => {
        expect(plainText(name)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]/u)
        expect(plainText(plainText(name))).toBe(plainText(name))
      }),
    )
  })
})

describe('tables', () => {
  const rows = [
    ['ready', '57.2 MB', 'temperature.csv'],
    ['receiving', '3 B', '湖の水温データ.csv'],
    ['湖', '812 B', `${'x'.repeat(300)}.csv`],
  ]

  test('columns stand below each other, numbers at the right', () => {
    expect(tableLines(rows.slice(0, 2), { columns: 80, right: [1] })).toEqual([
      'ready      57.2 MB  temperature.csv',
      'receiving      3 B  湖の水温データ.csv',
    ])
  })

  test('the last column gives way in its middle, so that the type of a file is still seen', () => {
    const [, , line = ''] = tableLines(rows, { columns: 40, right: [1] })
    expect(displayWidth(line)).toBe(40)
    expect(line).toMatch(/^湖 {11}812 B {2}x+…x+\.csv$/)
  })

  test('in a pipe nothing is cut', () => {
    expect(tableLines(rows, { columns: Number.POSITIVE_INFINITY })[2]).toHaveLength(
      '湖'.length + 7 + 2 + 7 + 2 + 304,
    )
  })

  test('a narrow terminal does without what is least', () => {
    const lines = tableLines(rows, { columns: 24, right: [1], expendable: [1] })
    expect(lines[0]).toMatch(/^ready {6}temper…re\.csv$/)
    expect(lines.every((line) => displayWidth(line) <= 24 && !line.includes(' B'))).toBe(true)
  })

  test('no line is wider than the terminal, however wide the characters', () => {
    const cell = fc.oneof(
      fc.constantFrom('湖', '👩‍🔬', 'e\u0301', 'x'),
      fc.string({ unit: 'grapheme', maxLength: 30 }),
    )
    const name = fc.array(cell, { maxLength: 40 }).map((parts) => plainText(parts.join('')))
    fc.assert(
      fc.property(fc.array(name, { minLength: 1 }), fc.integer({ min: 30, max: 120 }), (names, columns) => {
        const lines = tableLines(
          names.map((text) => ['ready', text]),
          { columns },
        )
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns)
      }),
    )
  })
})
