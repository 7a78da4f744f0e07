// The small rules of the package's view, as tables.

import { describe, expect, test } from '@jest/globals'
import { apiError } from '../../../client/api/errors.js'
import { emlGroups } from '../../../client/dashboard/package/eml-rows.js'
import { pathOf } from '../../../client/dashboard/package/file-path.js'
import { notReadyIn } from '../../../client/dashboard/package/not-ready.js'
import { rightsOver } from '../../../client/dashboard/package/rights.js'
import { filledName, savedName } from '../../../client/dashboard/package/saved-name.js'
import { type FileStanding, fileStanding } from '../../../client/dashboard/staged/file-standing.js'

describe('what may be done', () => {
  const me = (scopes: ('upload' | 'read' | 'delete' | 'admin')[]) => ({
    owner: 'ada',
    aliases: ['lovelace'],
    scopes,
  })
  const all = { isOwn: true, mayFinalize: true, mayExtend: true, mayDelete: true }

  test.each([
    ['its owner', 'ada', me(['upload', 'read', 'delete']), all],
    ['its owner under another name', 'lovelace', me(['upload', 'read', 'delete']), all],
    ['nobody known yet', 'ada', null, all],
    [
      'whom it is shared with',
      'grace',
      me(['upload', 'read', 'delete']),
      { isOwn: false, mayFinalize: true, mayExtend: false, mayDelete: false },
    ],
    [
      'an administrator',
      'grace',
      me(['upload', 'read', 'delete', 'admin']),
      { isOwn: false, mayFinalize: true, mayExtend: true, mayDelete: true },
    ],
    [
      'its owner with a key that reads',
      'ada',
      me(['read']),
      { isOwn: true, mayFinalize: false, mayExtend: false, mayDelete: false },
    ],
    [
      'its owner with a key that sends',
      'ada',
      me(['upload', 'read']),
      { isOwn: true, mayFinalize: true, mayExtend: true, mayDelete: false },
    ],
  ])('by %s', (_, owner, who, rights) => {
    expect(rightsOver({ owner }, who)).toEqual(rights)
  })
})

describe('what a file is saved as', () => {
  test.each([
    ['Lake survey', 'Lake survey manifest.json'],
    ['Lakes: 2026/1', 'Lakes 2026 1 manifest.json'],
    ['a\\b:c*d?e"f<g>h|i', 'a b c d e f g h i manifest.json'],
    ['../../etc/passwd', 'etc passwd manifest.json'],
    ['...', 'manifest.json'],
    [' \u202Etxt.exe\u0000\n', 'txt.exe manifest.json'],
    ['بيانات', 'بيانات manifest.json'],
    ['x'.repeat(300), `${'x'.repeat(100)} manifest.json`],
    ['🦆'.repeat(300), `${'🦆'.repeat(100)} manifest.json`],
  ])('of %j', (name, saved) => {
    expect(savedName(name, 'manifest.json')).toBe(saved)
  })

  test.each([
    ['lake.xml', 'lake-filled.xml'],
    ['knb-lter-xyz.17.3.xml', 'knb-lter-xyz.17.3-filled.xml'],
    ['lake', 'lake-filled.xml'],
    ['LAKE.XML', 'LAKE-filled.XML'],
    ['', 'eml-filled.xml'],
  ])('when %j was filled in', (name, filled) => {
    expect(filledName(name)).toBe(filled)
  })
})

describe('how a file is doing', () => {
  const local = { presence: 'paused', acknowledgedBytes: 7, sizeBytes: 10 } as const
  test.each<[string, Parameters<typeof fileStanding>, FileStanding]>([
    [
      'ready',
      [{ state: 'ready', size: 10, offset: 10 }, undefined],
      { word: 'ready', tone: 'good', progress: null },
    ],
    [
      'ready, though this tab has not heard it',
      [{ state: 'ready', size: 10, offset: 10 }, local],
      { word: 'ready', tone: 'good', progress: null },
    ],
    [
      'sent by another',
      [{ state: 'receiving', size: 10, offset: 3 }, undefined],
      { word: 'receiving', tone: 'wait', progress: { doneBytes: 3, sizeBytes: 10 } },
    ],
    [
      'sent by another, of unknown size',
      [{ state: 'receiving', size: null, offset: 3 }, undefined],
      { word: 'receiving', tone: 'wait', progress: { doneBytes: 3, sizeBytes: null } },
    ],
    [
      'sent by this tab',
      [{ state: 'receiving', size: null, offset: 3 }, local],
      { word: 'paused', tone: 'wait', progress: { doneBytes: 7, sizeBytes: 10 } },
    ],
    [
      'failed',
      [{ state: 'failed', size: 10, offset: 10 }, undefined],
      { word: 'failed', tone: 'bad', progress: null },
    ],
  ])('%s', (_, asked, standing) => {
    expect(fileStanding(...asked)).toEqual(standing)
  })
})

test.each([
  [{ relative_path: 'a/b.csv', filename: 'b.csv', id: '1' }, 'a/b.csv'],
  [{ relative_path: null, filename: 'e\u0301.csv', id: '1' }, '\u00e9.csv'],
  [{ relative_path: null, filename: null, id: '1' }, '1'],
])('the path of %j is %j', (names, expected) => {
  expect(pathOf(names)).toBe(expected)
})

describe('which files keep a package open', () => {
  const refused = (details: Record<string, unknown>) => apiError('CONFLICT', 'No.', { status: 409, details })

  test('are those that the refusal names, with how many there are', () => {
    const error = refused({
      not_ready: [
        { id: '1', path: 'a.csv', state: 'receiving' },
        { id: '2', path: 'b.csv', state: 'failed' },
      ],
      not_ready_count: 120,
    })
    expect(notReadyIn(error)).toEqual({
      files: [
        { id: '1', path: 'a.csv', state: 'receiving' },
        { id: '2', path: 'b.csv', state: 'failed' },
      ],
      count: 120,
    })
  })

  test('are those whose path is a folder of others', () => {
    expect(notReadyIn(refused({ clashes: [{ path: 'a', upload_id: '1' }] }))).toEqual({
      files: [{ id: '1', path: 'a', state: null }],
      count: 1,
    })
  })

  test.each([
    ['another refusal', refused({})],
    ['details of another shape', refused({ not_ready: 'all', clashes: [null, 7, { path: 1 }] })],
    ['another error', new Error('no network')],
    ['nothing', null],
  ])('are not told by %s', (_, error) => {
    expect(notReadyIn(error)).toBeNull()
  })
})

describe('a document and a package', () => {
  test('show first what is to be done, and no group without rows', () => {
    expect(
      emlGroups({
        matched: [{ object_name: 'a.csv', entity: 'A', upload_id: '1', path: 'x/a.csv' }],
        missing: [
          { object_name: 'b.csv', entity: 'B', reason: 'no file' },
          { object_name: null, entity: 'C', reason: 'not ready' },
          { object_name: null, entity: '', reason: 'no name' },
          { object_name: 'd.csv', entity: 'D', reason: 'not ready' },
        ],
        unused: [{ path: 'e.csv', upload_id: '5' }],
      }),
    ).toEqual([
      {
        kind: 'missing',
        rows: [
          { inDocument: 'b.csv', file: null, reason: 'no file' },
          { inDocument: 'C', file: null, reason: 'not ready' },
          { inDocument: null, file: null, reason: 'no name' },
          { inDocument: 'd.csv', file: null, reason: 'not ready' },
        ],
        reason: 'not ready',
      },
      {
        kind: 'unused',
        rows: [{ inDocument: null, file: { id: '5', path: 'e.csv' }, reason: null }],
        reason: null,
      },
      {
        kind: 'matched',
        rows: [{ inDocument: 'a.csv', file: { id: '1', path: 'x/a.csv' }, reason: null }],
        reason: null,
      },
    ])
    expect(emlGroups({ matched: [], missing: [], unused: [] })).toEqual([])
  })
})
