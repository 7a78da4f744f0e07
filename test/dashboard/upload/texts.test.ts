import { describe, expect, test } from '@jest/globals'
import { nameOf, pathOf } from '../../../client/dashboard/upload/name.js'
import { isTooLong, noteOf } from '../../../client/dashboard/upload/note-text.js'
import { warningKind } from '../../../client/dashboard/upload/warnings-known.js'
import { contentWarnings } from '../../../server/uploads/upload.js'

describe('the name of an upload', () => {
  test.each([
    [{ id: 'u1', filename: 'a.csv', relative_path: null }, 'a.csv', null],
    [{ id: 'u1', filename: 'a.csv', relative_path: 'a.csv' }, 'a.csv', null],
    [{ id: 'u1', filename: 'a.csv', relative_path: 'lake/a.csv' }, 'a.csv', 'lake/a.csv'],
    [{ id: 'u1', filename: null, relative_path: 'lake/b.csv' }, 'b.csv', 'lake/b.csv'],
    [{ id: 'u1', filename: null, relative_path: null }, 'u1', null],
  ])('of %p is %p, in %p', (report, name, path) => {
    expect([nameOf(report), pathOf(report)]).toEqual([name, path])
  })
})

describe('a note as it was typed', () => {
  test.each([
    ['  two\n lines\t here ', 'two lines here'],
    ['', null],
    [' \n ', null],
    ['a\u0000b\u0007', 'ab'],
    ['e\u0301', 'é'],
  ])('%p becomes %p', (typed, note) => {
    expect(noteOf(typed)).toBe(note)
  })

  test.each([
    [null, false],
    ['a'.repeat(1_000), false],
    ['a'.repeat(1_001), true],
    // In UTF-8 two bytes each.
    ['é'.repeat(501), true],
  ])('%p is too long: %p', (note, expected) => {
    expect(isTooLong(note)).toBe(expected)
  })
})

describe("the server's warnings", () => {
  test.each([
    ['empty', contentWarnings(0, Buffer.alloc(0), 'text/csv')],
    ['html', contentWarnings(20, Buffer.from('<!DOCTYPE html><p>'), 'text/csv')],
  ])('are known: %s', (kind, warnings) => {
    expect(warnings.map(warningKind)).toEqual([kind])
  })

  test('that this page is too old for are not explained', () => {
    expect(warningKind('The file is too beautiful.')).toBeNull()
  })
})
