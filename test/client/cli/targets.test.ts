import { describe, expect, test } from '@jest/globals'
import type { Report } from '../../../client/api/types.js'
import { newEnd } from '../../../client/cli/extending.js'
import { durationOption, momentOption } from '../../../client/cli/option-values.js'
import { reportLines } from '../../../client/cli/report-lines.js'
import { readTarget } from '../../../client/cli/targets.js'

const ID = '0b6e51f2c96d4a7e8e1f6a8c2d3b4a590b6e51f2'

describe('what people call an upload', () => {
  test.each([
    [ID, { kind: 'id', id: ID }],
    [`https://s.example/staging/uploads/${ID}`, { kind: 'id', id: ID }],
    [`https://s.example/packages/${ID}/`, { kind: 'id', id: ID }],
    ['data/a.csv', { kind: 'name', name: 'data/a.csv' }],
    ['./a.csv', { kind: 'name', name: 'a.csv' }],
    [ID.toUpperCase(), { kind: 'name', name: ID.toUpperCase() }],
    ['..', { kind: 'name', name: '..' }],
    [
      'https://cdn.example/r/abcDEF_-0123456789abcdefghi/a%20b.csv',
      {
        kind: 'retrieval URL',
        url: 'https://cdn.example/r/abcDEF_-0123456789abcdefghi/a%20b.csv',
        filename: 'a b.csv',
      },
    ],
  ])('%s', (word, target) => {
    expect(readTarget(word, 'https://s.example/staging')).toEqual(target)
  })

  test.each([`https://other.example/uploads/${ID}`, 'https://s.example/', 'https://s.example/me'])(
    '%s is none',
    (word) => {
      expect(() => readTarget(word, 'https://s.example')).toThrow(/another server|not the URL/)
    },
  )
})

describe('times', () => {
  test.each([
    ['12h', 43_200],
    ['30d', 2_592_000],
    ['2w', 1_209_600],
    ['5m', 300],
  ])('%s is %i seconds', (text, seconds) => {
    expect(durationOption(text)).toBe(seconds)
  })

  test.each(['', '0d', '30', '-1d', '1.5h', '30 days', '1y'])('%j is no length of time', (text) => {
    expect(() => durationOption(text)).toThrow(/12h, 30d or 2w/)
  })

  test('a day is meant with all of it', () => {
    expect(momentOption('2027-06-30').toISOString()).toBe('2027-06-30T23:59:59.000Z')
    expect(momentOption('2027-06-30T12:00+02:00').toISOString()).toBe('2027-06-30T10:00:00.000Z')
  })

  test.each(['', 'tomorrow', '2027-13-01', '2027-02-30', '30.6.2027', '2027-06-30T12:00:00'])(
    '%j is no time',
    (text) => {
      expect(() => momentOption(text)).toThrow(/written like/)
    },
  )

  test('longer counts from the end that is, or is that time', () => {
    const end = '2027-01-01T00:00:00.000Z'
    expect(newEnd(end, { by: 86_400 }, 'a.csv').toISOString()).toBe('2027-01-02T00:00:00.000Z')
    expect(newEnd(end, { until: new Date('2028-01-01') }, 'a.csv').getUTCFullYear()).toBe(2028)
    expect(() => newEnd(null, { by: 1 }, 'a.csv')).toThrow(/never ends/)
  })
})

test('a report for people tells how far it is, what is odd, and what went wrong', () => {
  const report: Report = {
    id: ID,
    state: 'failed',
    key: null,
    label: 'lakes',
    package_id: null,
    relative_path: 'data/a\n.csv',
    filename: 'a\n.csv',
    content_type: 'text/csv',
    note: null,
    size: 2048,
    offset: 1024,
    reread_bytes: null,
    checksums: null,
    declared_checksums: { md5: null, sha1: null, sha256: null },
    file_id: null,
    retrieval_url: null,
    eml_url: null,
    created_at: '2026-12-04T14:05:00.000Z',
    finished_at: null,
    expires_at: '2026-12-11T14:05:00.000Z',
    expires_in: 86_400,
    restorable_until: null,
    warnings: ['One thing.', 'Another.'],
    error: { code: 'HASH_MISMATCH', detail: 'Other bytes.' },
  }
  const lines = reportLines(report)
  expect(lines[0]).toBe('data/a\\n.csv')
  expect(lines).toContain('  size      1.0 KB of 2.0 KB (50 %)')
  expect(lines).toContain('  warning   One thing.')
  expect(lines).toContain('  warning   Another.')
  expect(lines).toContain('  error     HASH_MISMATCH: Other bytes.')
  expect(lines.some((line) => line.includes('sha256') || line.includes('null'))).toBe(false)
})
