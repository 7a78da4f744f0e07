// The rules around a check.

import { describe, expect, test } from '@jest/globals'
import { contentRefused, retryDelayMs } from '../../server/hooks/content-check.js'
import { environmentOf, headersOf } from '../../server/hooks/facts.js'
import { someFacts } from './checks.js'

describe('a refusal', () => {
  test.each([
    ['Eicar-Signature FOUND', 'The content check refused this file: Eicar-Signature FOUND. Its'],
    ['Too old!', 'The content check refused this file: Too old! Its'],
    ['', 'The content check refused this file. Its'],
  ])('with the words %j tells them, and what to do', (words, beginning) => {
    const { code, detail } = contentRefused(words)
    expect(code).toBe('CONTENT_REFUSED')
    expect(detail.startsWith(beginning)).toBe(true)
    expect(detail).toContain('upload it again')
  })
})

test('a check that gives no answer is asked later and later, but every five minutes', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8, 2000].map(retryDelayMs)).toEqual([
    5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000,
  ])
})

describe('the facts', () => {
  const facts = someFacts({ filename: ' 10 % süß\r\nX: y.csv ', label: null, sizeBytes: 2 ** 40 })

  test('are variables, all of them, with the values as they are', () => {
    expect(environmentOf(facts)).toEqual({
      ANTIPASTO_UPLOAD_ID: facts.id,
      ANTIPASTO_OWNER: 'somebody',
      ANTIPASTO_FILENAME: ' 10 % süß\r\nX: y.csv ',
      ANTIPASTO_CONTENT_TYPE: 'text/csv; charset=utf-8',
      ANTIPASTO_SIZE: '1099511627776',
      ANTIPASTO_MD5: facts.digests.md5,
      ANTIPASTO_SHA1: facts.digests.sha1,
      ANTIPASTO_SHA256: facts.digests.sha256,
      ANTIPASTO_LABEL: '',
      ANTIPASTO_PACKAGE_ID: '',
    })
  })

  test('are headers of visible ASCII, from which they can be had again', () => {
    const headers = headersOf(facts)
    expect(Object.keys(headers)).not.toContain('Antipasto-Label')
    expect(headers['Antipasto-Filename']).toBe('%2010%20%25%20s%C3%BC%C3%9F%0D%0AX:%20y.csv%20')
    expect(decodeURIComponent(headers['Antipasto-Filename'] ?? '')).toBe(facts.filename)
    expect(headers['Antipasto-Size']).toBe('1099511627776')
    for (const value of Object.values(headers)) expect(value).toMatch(/^[!-~]+$/)
    expect(headersOf(someFacts({ owner: 'half \ud83e' }))['Antipasto-Owner']).toBe('half%20%EF%BF%BD')
  })
})
