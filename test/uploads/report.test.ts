import { describe, expect, test } from '@jest/globals'
import { fileNameOf, reportOf, retrievalUrl } from '../../server/uploads/report.js'
import { UPLOAD_STATES, type Upload } from '../../server/uploads/upload.js'
import fc from '../support/properties.js'
import { anUpload } from './an-upload.js'

const ORIGIN = 'https://staging.example.org'
const ORIGINS = { publicUrl: () => ORIGIN, retrievalOrigin: () => ORIGIN }
const READY = {
  state: 'ready',
  offsetBytes: 100n,
  md5: 'm',
  sha1: 's',
  sha256: 'x',
  retrievalToken: 'TOKEN',
  finishedAt: new Date('2026-01-02T03:04:05.678Z'),
} as const

test('a ready upload is told in full', () => {
  const upload = anUpload({
    ...READY,
    key: 'k',
    label: 'l',
    note: 'n',
    relativePath: 'data/lake.csv',
    declaredMd5: 'm',
  })
  expect(reportOf(upload, ORIGINS)).toEqual({
    id: upload.id,
    state: 'ready',
    key: 'k',
    label: 'l',
    package_id: null,
    relative_path: 'data/lake.csv',
    filename: 'lake.csv',
    content_type: 'text/csv',
    note: 'n',
    size: 100,
    offset: 100,
    reread_bytes: null,
    checksums: { md5: 'm', sha1: 's', sha256: 'x' },
    declared_checksums: { md5: 'm', sha1: null, sha256: null },
    file_id: 'x',
    retrieval_url: `${ORIGIN}/r/TOKEN/lake.csv`,
    eml_url: `${ORIGIN}/uploads/${upload.id}/eml`,
    created_at: '2026-01-01T00:00:00.000Z',
    finished_at: '2026-01-02T03:04:05.678Z',
    expires_at: '2026-01-31T00:00:00.000Z',
    expires_in: 1000,
    restorable_until: null,
    warnings: [],
    error: null,
  })
})

test('one that waits for bytes has no checksums and no URLs', () => {
  expect(reportOf(anUpload({ sizeBytes: null, offsetBytes: 5n }), ORIGINS)).toMatchObject({
    state: 'receiving',
    size: null,
    offset: 5,
    checksums: null,
    file_id: null,
    retrieval_url: null,
    eml_url: null,
    finished_at: null,
  })
})

test('sizes over 4 GiB are whole numbers', () => {
  const bytes = 9_007_199_254_740_991n
  expect(reportOf(anUpload({ sizeBytes: bytes, offsetBytes: bytes }), ORIGINS)).toMatchObject({
    size: Number.MAX_SAFE_INTEGER,
    offset: Number.MAX_SAFE_INTEGER,
  })
})

test('a failed one says why, and keeps the digests', () => {
  const failed = { ...READY, state: 'failed', errorCode: 'HASH_MISMATCH', errorDetail: 'Not these.' } as const
  expect(reportOf(anUpload(failed), ORIGINS)).toMatchObject({
    checksums: { md5: 'm', sha1: 's', sha256: 'x' },
    error: { code: 'HASH_MISMATCH', detail: 'Not these.' },
    file_id: null,
    retrieval_url: null,
    expires_in: 0,
  })
})

test.each(UPLOAD_STATES)('%s: only ready has a retrieval URL, even with a token in its record', (state) => {
  expect(retrievalUrl(anUpload({ ...READY, state }), ORIGIN) !== null).toBe(state === 'ready')
})

test('time left is whole seconds and never negative', () => {
  expect(reportOf(anUpload({ expiresInSeconds: 0.9 }), ORIGINS).expires_in).toBe(0)
  expect(reportOf(anUpload({ expiresInSeconds: -7 }), ORIGINS).expires_in).toBe(0)
})

describe('the name in the URL', () => {
  test.each([
    ['plain.csv', 'plain.csv'],
    ['with space.csv', 'with%20space.csv'],
    ['100%.csv', '100%25.csv'],
    ['a#b?c.csv', 'a%23b%3Fc.csv'],
    ["it's (1)!*.csv", 'it%27s%20%281%29%21%2A.csv'],
    ['湖.csv', '%E6%B9%96.csv'],
    ['lone \ud800 surrogate', 'lone%20%EF%BF%BD%20surrogate'],
  ])('%j is written %s', (filename, written) => {
    expect(retrievalUrl(anUpload({ ...READY, filename }), ORIGIN)).toBe(`${ORIGIN}/r/TOKEN/${written}`)
  })

  test('comes from the file, its path, or its id', () => {
    expect(fileNameOf(anUpload({ filename: 'a', relativePath: 'b/c' }))).toBe('a')
    expect(fileNameOf(anUpload({ filename: null, relativePath: 'b/c' }))).toBe('c')
    expect(fileNameOf(anUpload({ filename: null }))).toBe('a'.repeat(40))
  })

  test('whatever the name, the URL has only characters that need no escaping, and gives the name back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (filename) => {
        const url = retrievalUrl(anUpload({ ...READY, filename }), ORIGIN) ?? ''
        expect(url).toMatch(/^https:\/\/staging\.example\.org\/r\/TOKEN\/[A-Za-z0-9._~%-]+$/)
        expect(decodeURIComponent(url.split('/').at(-1) ?? '')).toBe(filename.toWellFormed())
      }),
    )
  })
})

test('until when a deletion can be undone is told while it can be, and not when that is over', () => {
  const restorableUntil = new Date('2026-11-21T17:00:00Z')
  const undone = (changes: Partial<Upload>) =>
    reportOf(anUpload({ state: 'deleted', restoreState: 'ready', restorableUntil, ...changes }), ORIGINS)
  expect(undone({ restorableInSeconds: 1 }).restorable_until).toBe('2026-11-21T17:00:00.000Z')
  expect(undone({ restorableInSeconds: 0 }).restorable_until).toBeNull()
  expect(undone({ restorableInSeconds: 1, restoreState: null }).restorable_until).toBeNull()
})
