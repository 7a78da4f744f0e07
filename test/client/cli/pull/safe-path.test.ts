import path from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { diskKey, unsafePath } from '../../../../client/cli/pull/safe-path.js'
import fc from '../../../support/properties.js'

describe('a path', () => {
  test.each([
    'a.csv',
    'data/a.csv',
    '.hidden',
    '...',
    'a b/ü.csv',
    '湖/水.csv',
    '-rf',
    'con.txt',
    'ab:c',
    'what?',
  ])('%j is written to under a folder', (name) => {
    expect(unsafePath(name, 'linux')).toBeNull()
  })

  test.each([
    ['', 'empty'],
    ['..', 'leads out'],
    ['../etc/passwd', 'leads out'],
    ['a/../../b', 'leads out'],
    ['a/..', 'leads out'],
    ['./a', 'leads out'],
    [' .. /a', 'leads out'],
    ['/etc/passwd', 'absolute'],
    ['a//b', 'empty part'],
    ['a/', 'empty part'],
    ['a/ /b', 'empty part'],
    ['C:/Windows/a.dll', 'drive letter'],
    ['c:a', 'drive letter'],
    ['..\\a', 'backslash'],
    ['a\\b', 'backslash'],
    ['a\0b', 'NUL'],
    ['a\nb', 'control character'],
    ['a\u001b[2Jb', 'control character'],
    ['a\ud800b', 'not valid Unicode'],
  ])('%j is refused: %s', (name, why) => {
    expect(unsafePath(name, 'linux')).toContain(why)
  })

  test.each([
    ['con', 'device'],
    ['a/NUL.txt', 'device'],
    ['COM1', 'device'],
    ['lpt9.csv', 'device'],
    ['Aux .txt', 'device'],
    ['COM¹', 'device'],
    ['a.csv:stream', '< > :'],
    ['what?', '< > :'],
    ['a./b', 'end with a dot'],
    ['a /b', 'end with a dot'],
  ])('%j is refused on Windows only: %s', (name, why) => {
    expect(unsafePath(name, 'win32')).toContain(why)
    expect(unsafePath(name, 'linux')).toBeNull()
  })

  test('that is taken stays inside, on every system', () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      'a',
      'C:',
      ':',
      ' ',
      '\0',
      'nul',
      '//',
      '~',
      '...',
      '%2e%2e',
    )
    const hostile = fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 8 })
    let taken = 0
    fc.assert(
      fc.property(hostile, (pieces) => {
        const name = pieces.join('')
        if (unsafePath(name, 'linux') === null) {
          taken += 1
          expect(path.posix.resolve('/target', name).startsWith('/target/')).toBe(true)
          // The same package goes to Windows: nothing there may lead out, either, whatever names it refuses.
          expect(path.win32.resolve('C:\\target', name).startsWith('C:\\target\\')).toBe(true)
        }
        if (unsafePath(name, 'win32') === null) expect(unsafePath(name, 'linux')).toBeNull()
      }),
      { numRuns: 2000 },
    )
    expect(taken).toBeGreaterThan(50)
  })

  test('has one key with those that are the same file on some disk', () => {
    expect(diskKey('Data/É.csv')).toBe(diskKey('data/e\u0301.CSV'))
    expect(diskKey('straße')).toBe(diskKey('STRASSE'))
    expect(diskKey('a')).not.toBe(diskKey('b'))
  })
})
