import { describe, expect, test } from '@jest/globals'
import { describeFile, parseMembers, prefersAsync } from '../../server/dialects/one-shot-request.js'
import { isAppError } from '../../server/errors.js'

const SAID = { filename: null, contentType: null, sizeBytes: null }

function codeOf(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return isAppError(error) ? error.code : String(error)
  }
}

describe('what is said of a file', () => {
  test('the query comes before what the body says', () => {
    const members = parseMembers({ filename: 'query.csv', content_type: 'Text/CSV', size: '7' }, {})
    const said = { filename: 'part.csv', contentType: 'image/png', sizeBytes: null }
    expect(describeFile(members, said, null, 100)).toMatchObject({
      filename: 'query.csv',
      contentType: 'text/csv',
      sizeBytes: 7,
      finish: 'once',
    })
    expect(describeFile({}, said, null, 100)).toMatchObject({
      filename: 'part.csv',
      contentType: 'image/png',
    })
    expect(describeFile({ package_id: 'a' }, said, 'b', 100)).toMatchObject({ packageId: 'b' })
  })

  test.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\data\\a.csv', 'a.csv'],
    ['a/', null],
    ['..', null],
    ['   ', null],
    ['e\u0301.csv', 'é.csv'],
  ])('the name %j is %j', (filename, name) => {
    expect(describeFile(parseMembers({ filename }, {}), SAID, null, 100).filename).toBe(name)
  })

  test.each([
    ['application/x-www-form-urlencoded', null],
    ['application/x-www-form-urlencoded; charset=utf-8', null],
    ['nonsense', null],
    ['', null],
    ['text/html; charset=UTF-8', 'text/html; charset=utf-8'],
  ])('the type %j is %j', (contentType, type) => {
    expect(describeFile({}, { ...SAID, contentType }, null, 100).contentType).toBe(type)
  })

  test('sizes must agree, and fit', () => {
    expect(codeOf(() => describeFile({ size: 3 }, { ...SAID, sizeBytes: 4 }, null, 100))).toBe(
      'INVALID_INPUT',
    )
    expect(codeOf(() => describeFile({ size: 101 }, SAID, null, 100))).toBe('PAYLOAD_TOO_LARGE')
    expect(codeOf(() => describeFile({}, { ...SAID, sizeBytes: 101 }, null, 100))).toBe('PAYLOAD_TOO_LARGE')
    expect(codeOf(() => describeFile({}, { ...SAID, sizeBytes: 100 }, null, 100))).toBeUndefined()
  })

  test('a member may come once, in the query or in the form', () => {
    expect(parseMembers({ key: 'a' }, { label: 'b' })).toEqual({ key: 'a', label: 'b' })
    for (const [query, fields] of [
      [{ key: 'a' }, { key: 'a' }],
      [{ key: ['a', 'b'] }, {}],
      [{ unknown: 'a' }, {}],
      [{}, { unknown: 'a' }],
      [{}, { ['__proto__']: 'a' }],
    ] as const) {
      expect(codeOf(() => parseMembers(query, fields as Record<string, string>))).toBe('INVALID_INPUT')
    }
  })
})

test.each([
  [undefined, false],
  ['', false],
  ['respond-async', true],
  ['Respond-Async', true],
  ['wait=10, respond-async', true],
  ['respond-async; x=1,return=minimal', true],
  ['respond-asynchronously', false],
  ['x="respond-async"', false],
])('Prefer: %s asks for 202: %s', (prefer, isAsync) => {
  expect(prefersAsync(prefer)).toBe(isAsync)
})
