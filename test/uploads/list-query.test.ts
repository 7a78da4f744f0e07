import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cursorAt, parseListQuery } from '../../server/uploads/list-query.js'

const position = { at: new Date('2026-01-02T03:04:05.678Z'), id: 'abc' }

function code(query: unknown): string {
  try {
    parseListQuery(query)
    return 'taken'
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('without anything: the newest 50 of what lives or failed', () => {
  expect(parseListQuery({})).toEqual({
    states: ['receiving', 'finalizing', 'ready', 'failed'],
    label: null,
    packageId: null,
    text: null,
    sort: { name: '-created_at', column: 'created_at', isDescending: true },
    limit: 50,
    after: null,
  })
})

test('everything at once', () => {
  const cursor = cursorAt('expires_at', position)
  const query = { label: 'l', state: 'ready,expired', q: 'lake', sort: 'expires_at', limit: '7', cursor }
  expect(parseListQuery(query)).toEqual({
    states: ['ready', 'expired'],
    label: 'l',
    packageId: null,
    text: 'lake',
    sort: { name: 'expires_at', column: 'expires_at', isDescending: false },
    limit: 7,
    after: position,
  })
})

test.each([
  [{ limit: '1' }, 'taken'],
  [{ limit: '500' }, 'taken'],
  [{ limit: '0' }, 'INVALID_INPUT'],
  [{ limit: '501' }, 'INVALID_INPUT'],
  [{ limit: '-1' }, 'INVALID_INPUT'],
  [{ limit: '1.5' }, 'INVALID_INPUT'],
  [{ limit: 'many' }, 'INVALID_INPUT'],
  [{ limit: '' }, 'INVALID_INPUT'],
  [{ limit: ['1', '2'] }, 'INVALID_INPUT'],
  [{ sort: 'size' }, 'INVALID_INPUT'],
  [{ sort: '+created_at' }, 'INVALID_INPUT'],
  [{ state: '' }, 'INVALID_INPUT'],
  [{ state: 'ready,' }, 'INVALID_INPUT'],
  [{ state: 'READY' }, 'INVALID_INPUT'],
  [{ label: '' }, 'INVALID_INPUT'],
  [{ label: ['a', 'b'] }, 'INVALID_INPUT'],
  [{ q: 'x'.repeat(201) }, 'INVALID_INPUT'],
  [{ unknown: '1' }, 'INVALID_INPUT'],
  [{ owner: 'me' }, 'INVALID_INPUT'],
])('%j: %s', (query, expected) => {
  expect(code(query)).toBe(expected)
})

describe('cursors', () => {
  test('of every position come back as they went, for their own sort only', () => {
    const at = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    const id = fc.stringMatching(/^[0-9a-f]{40}$/)
    fc.assert(
      fc.property(at, id, (at, id) => {
        const cursor = cursorAt('-created_at', { at, id })
        expect(parseListQuery({ cursor }).after).toEqual({ at, id })
        expect(code({ cursor, sort: 'created_at' })).toBe('INVALID_INPUT')
      }),
    )
  })

  const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

  test.each([
    ['nonsense', 'nonsense'],
    ['empty', ''],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['another shape', forged({ at: 1 })],
    ['too short', forged(['-created_at', position.at.toISOString()])],
    ['too long', forged(['-created_at', position.at.toISOString(), 'abc', 1])],
    ['no date', forged(['-created_at', 'yesterday', 'abc'])],
    ['SQL', forged(['-created_at', position.at.toISOString(), "' OR 1=1 --"])],
    ['NUL', forged(['-created_at', position.at.toISOString(), '\0'])],
    ['another sort', forged(['size', position.at.toISOString(), 'abc'])],
    ['of 600 characters', 'x'.repeat(600)],
  ])('a cursor that is %s is refused', (_, cursor) => {
    expect(code({ cursor })).toBe('INVALID_INPUT')
  })

  test('any other text is refused, and nothing else happens', () => {
    fc.assert(fc.property(fc.string(), (cursor) => expect(code({ cursor })).toBe('INVALID_INPUT')))
  })
})
