// What may be asked of the lists.

import { describe, expect, test } from '@jest/globals'
import { isAppError } from '../../server/errors.js'
import { encodeCursor } from '../../server/http/cursor.js'
import {
  encodeFileCursor,
  encodePackageCursor,
  parseFileListQuery,
  parsePackageListQuery,
} from '../../server/packages/list-query.js'

function codeOf(act: () => unknown): string {
  try {
    act()
    return 'understood'
  } catch (error) {
    return isAppError(error) ? `${error.code} ${error.detail}` : String(error)
  }
}

const ID = 'c'.repeat(40)

describe('the list of packages', () => {
  test('without a word shows 50 of what lives', () => {
    expect(parsePackageListQuery({})).toEqual({
      states: ['open', 'finalized'],
      producer: null,
      subject: null,
      retentionClass: null,
      label: null,
      text: null,
      metadata: [],
      limit: 50,
      after: null,
    })
  })

  test('takes every filter at once, in NFC', () => {
    const createdAt = new Date('2026-01-01T00:00:00.123Z')
    const query = {
      producer: 'cafe\u0301',
      subject: 's',
      retention_class: 'c',
      label: 'l',
      q: 'cafe\u0301',
      state: 'open,deleted',
      'metadata.cafe\u0301': 'e\u0301',
      'metadata.a.b': '1',
      limit: '500',
      cursor: encodePackageCursor({ createdAt, id: ID }),
    }
    expect(parsePackageListQuery(query)).toEqual({
      states: ['open', 'deleted'],
      producer: 'caf\u00e9',
      subject: 's',
      retentionClass: 'c',
      label: 'l',
      text: 'caf\u00e9',
      metadata: [
        ['caf\u00e9', '\u00e9'],
        ['a.b', '1'],
      ],
      limit: 500,
      after: { at: createdAt, id: ID },
    })
  })

  test.each<[string, Record<string, unknown>]>([
    ['an unknown member', { produser: 'x' }],
    ['a member twice', { label: ['a', 'b'] }],
    ['no text', { label: '' }],
    ['a control character', { label: 'a\nb' }],
    ['1 MB', { label: 'x'.repeat(1_000_000) }],
    ['an unknown state', { state: 'open,ajar' }],
    ['no text to look for', { q: '' }],
    ['too much text to look for', { q: 'x'.repeat(201) }],
    ['no limit', { limit: '0' }],
    ['too high a limit', { limit: '501' }],
    ['metadata without a key', { 'metadata.': 'x' }],
    ['metadata with NUL in the key', { 'metadata.a\0': 'x' }],
    ['metadata with NUL in the value', { 'metadata.a': '\0' }],
    ['metadata twice', { 'metadata.a': ['x', 'y'] }],
    ['metadata with an unreadable key', { 'metadata.__proto__': 'x' }],
    ['too many filters', Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`metadata.${i}`, 'x']))],
    ['a cursor that is none', { cursor: 'nonsense' }],
    ['a cursor of JSON that isn’t ours', { cursor: encodeCursor([1]) }],
    ['a cursor of the year 0', { cursor: encodeCursor(['0000-01-01T00:00:00Z', ID]) }],
    ['a cursor with another id', { cursor: encodeCursor(['2026-01-01T00:00:00Z', `${ID}'`]) }],
  ])('refuses %s', (_name, query) => {
    expect(codeOf(() => parsePackageListQuery(query))).toMatch(/^INVALID_INPUT ./)
  })
})

describe('the list of a package’s files', () => {
  test('goes on behind a path, however long', () => {
    const path = `a\\b ${'\u{1f4be}'.repeat(512)}`
    expect(parseFileListQuery({ cursor: encodeFileCursor(ID, path) }, ID)).toEqual({
      limit: 50,
      afterPath: path,
    })
  })

  test.each<[string, Record<string, unknown>]>([
    ['a cursor of another package', { cursor: encodeFileCursor('d'.repeat(40), 'a') }],
    ['a path that isn’t text', { cursor: encodeCursor([ID, 7]) }],
    ['NUL', { cursor: encodeFileCursor(ID, 'a\0') }],
    ['half a character', { cursor: encodeFileCursor(ID, '\ud800') }],
    ['an unknown member', { label: 'x' }],
  ])('refuses %s', (_name, query) => {
    expect(codeOf(() => parseFileListQuery(query, ID))).toMatch(/^INVALID_INPUT ./)
  })
})
