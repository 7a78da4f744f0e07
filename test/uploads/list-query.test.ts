import { describe, expect, test } from '@jest/globals'
import { cursorBehind, type ListQuery, parseListQuery } from '../../server/uploads/list-query.js'
import fc from '../support/properties.js'
import { anUpload } from './an-upload.js'

const AT = '2026-01-02T03:04:05.678Z'

const sortOf = (sort: string): ListQuery['sort'] => parseListQuery({ sort }).sort

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
  const cursor = cursorBehind(sortOf('expires_at'), anUpload({ id: 'abc', expiresAt: new Date(AT) }))
  const query = { label: 'l', state: 'ready,expired', q: 'lake', sort: 'expires_at', limit: '7', cursor }
  expect(parseListQuery(query)).toEqual({
    states: ['ready', 'expired'],
    label: 'l',
    packageId: null,
    text: 'lake',
    sort: { name: 'expires_at', column: 'expires_at', isDescending: false },
    limit: 7,
    after: { value: new Date(AT), id: 'abc' },
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
  [{ sort: '-size' }, 'taken'],
  [{ sort: 'filename' }, 'taken'],
  [{ sort: 'label' }, 'INVALID_INPUT'],
  [{ sort: '--size' }, 'INVALID_INPUT'],
  [{ package_id: 'none' }, 'taken'],
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
      fc.property(at, id, (createdAt, id) => {
        const cursor = cursorBehind(sortOf('-created_at'), anUpload({ createdAt, id }))
        expect(parseListQuery({ cursor }).after).toEqual({ value: createdAt, id })
        expect(code({ cursor, sort: 'created_at' })).toBe('INVALID_INPUT')
      }),
    )
  })

  test('of names and sizes do so, too; what has none stands for the least', () => {
    const filename = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 256 }), fc.constant('"'.repeat(1024)))
    fc.assert(
      fc.property(filename, fc.maxSafeNat(), (filename, sizeBytes) => {
        const upload = anUpload({ filename, sizeBytes: BigInt(sizeBytes) })
        const byName = cursorBehind(sortOf('-filename'), upload)
        const bySize = cursorBehind(sortOf('size'), upload)
        expect(parseListQuery({ cursor: byName, sort: '-filename' }).after?.value).toBe(filename)
        expect(parseListQuery({ cursor: bySize, sort: 'size' }).after?.value).toBe(sizeBytes)
        for (const sort of ['filename', 'size', '-size', '-created_at']) {
          expect(code({ cursor: byName, sort })).toBe('INVALID_INPUT')
        }
      }),
    )
    const bare = anUpload({ filename: null, sizeBytes: null })
    const positionIn = (sort: string) =>
      parseListQuery({ cursor: cursorBehind(sortOf(sort), bare), sort }).after?.value
    expect([positionIn('filename'), positionIn('-size')]).toEqual(['', 0])
  })

  const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

  test.each([
    ['nonsense', 'nonsense'],
    ['empty', ''],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['another shape', forged({ at: 1 })],
    ['too short', forged(['-created_at', AT])],
    ['too long', forged(['-created_at', AT, 'abc', 1])],
    ['no date', forged(['-created_at', 'yesterday', 'abc'])],
    ['SQL', forged(['-created_at', AT, "' OR 1=1 --"])],
    ['NUL', forged(['-created_at', AT, '\0'])],
    ['another sort', forged(['size', 7, 'abc'])],
    ['of 9000 characters', 'x'.repeat(9000)],
  ])('a cursor that is %s is refused', (_, cursor) => {
    expect(code({ cursor })).toBe('INVALID_INPUT')
  })

  test.each<[string, unknown[]]>([
    ['size', ['size', '7', 'abc']],
    ['size', ['size', 1.5, 'abc']],
    ['size', ['size', -1, 'abc']],
    ['size', ['size', 1e300, 'abc']],
    ['filename', ['filename', 7, 'abc']],
    ['filename', ['filename', null, 'abc']],
    ['filename', ['filename', 'a\0', 'abc']],
    ['filename', ['filename', '\ud800', 'abc']],
  ])('for %s, %j is refused', (sort, position) => {
    expect(code({ sort, cursor: forged(position) })).toBe('INVALID_INPUT')
  })

  test('any other text is refused, and nothing else happens', () => {
    fc.assert(fc.property(fc.string(), (cursor) => expect(code({ cursor })).toBe('INVALID_INPUT')))
  })
})
