import { expect, test } from '@jest/globals'
import { nameEnds } from '../../../client/dashboard/parts/name-ends.js'

test.each([
  ['', '', ''],
  ['lake.csv', 'lake.csv', ''],
  ['x'.repeat(28), 'x'.repeat(28), ''],
  ['x'.repeat(29), 'x'.repeat(15), 'x'.repeat(14)],
  ['phytoplankton_integrated_20260714.csv', 'phytoplankton_integrate', 'd_20260714.csv'],
  ['بيانات درجة حرارة البحيرة ٢٠٢٦.csv', 'بيانات درجة حرارة البحيرة ٢٠٢٦.csv', ''],
])('%j is %j and %j', (name, head, tail) => {
  expect(nameEnds(name)).toEqual([head, tail])
})

test('what is always shown ends the name, whole characters of it', () => {
  const name = `${'a'.repeat(40)}👩‍👩‍👧.csv`
  expect(nameEnds(name)).toEqual(['a'.repeat(31), `${'a'.repeat(9)}👩‍👩‍👧.csv`])
  expect(nameEnds(`${'e\u0301'.repeat(40)}`)[1]).toBe('e\u0301'.repeat(14))
})
