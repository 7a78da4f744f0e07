// What the form for a new API key asks of the server, and what it says is wrong.

import { describe, expect, test } from '@jest/globals'
import { isCurrent, mayRevoke } from '../../../client/dashboard/settings/key-rules.js'
import { keyWishOf, latestEndMs, usualScopes } from '../../../client/dashboard/settings/key-wish.js'
import type { Scope } from '../../../client/dashboard/sign-in/rights.js'

const NOW_MS = Date.parse('2026-11-21T10:00:00Z')
const ALL: Scope[] = ['upload', 'read', 'delete']
const me = { key_id: null, expires_at: null, scopes: ALL }
/** Signed in with a key that ends in ten days. */
const lent = { key_id: 'k', expires_at: '2026-12-01T10:00:00Z', scopes: ALL }
const form = (over: { name?: string; scopes?: Scope[]; days?: string } = {}) => ({
  name: over.name ?? 'laptop',
  scopes: new Set(over.scopes ?? ALL),
  days: over.days ?? '',
})

describe('a new key', () => {
  test('has the name and the scopes of the form, and no end unless it names days', () => {
    expect(keyWishOf(form({ name: '  laptop ', scopes: ['read'] }), me, NOW_MS)).toEqual({
      wish: { name: 'laptop', scopes: ['read'] },
    })
    expect(keyWishOf(form({ days: ' 90 ' }), me, NOW_MS)).toEqual({
      wish: { name: 'laptop', scopes: ALL, expires_at: '2027-02-19T10:00:00.000Z' },
    })
  })

  test.each([
    ['a name', { name: ' ' }, { name: 'empty' }],
    ['a shorter name', { name: 'é'.repeat(51) }, { name: 'long' }],
    ['a scope', { scopes: [] }, { scopes: 'none' }],
    ['a number', { days: 'soon' }, { days: 'number' }],
    ['a whole number', { days: '1.5' }, { days: 'number' }],
    ['a day at least', { days: '0' }, { days: 'number' }],
    ['a number in reason', { days: '9999999' }, { days: 'number' }],
    [
      'several things',
      { name: '', scopes: [], days: '-1' },
      { name: 'empty', scopes: 'none', days: 'number' },
    ],
  ] as const)('needs %s', (_, over, faults) => {
    expect(keyWishOf(form({ ...over, scopes: 'scopes' in over ? [] : ALL }), me, NOW_MS)).toEqual({ faults })
  })

  test('takes a name of 100 bytes, which is the most', () => {
    expect(keyWishOf(form({ name: 'é'.repeat(50) }), me, NOW_MS)).toHaveProperty('wish')
  })

  test("doesn't outlive the key that makes it", () => {
    expect(keyWishOf(form({ days: '10' }), lent, NOW_MS)).toHaveProperty('wish')
    expect(keyWishOf(form({ days: '11' }), lent, NOW_MS)).toEqual({ faults: { days: 'late' } })
  })

  test.each([
    ['a token', { ...lent, key_id: null }],
    ['a key without an end', { ...lent, expires_at: null }],
    ['an administrator', { ...lent, scopes: [...ALL, 'admin' as const] }],
  ])('made by %s may last as long as it likes', (_, maker) => {
    expect(latestEndMs(maker)).toBeNull()
    expect(keyWishOf(form({ days: '4000' }), maker, NOW_MS)).toHaveProperty('wish')
  })

  test('is given everything but `admin`, unless one chooses so', () => {
    expect([...usualScopes({ scopes: [...ALL, 'admin'] })]).toEqual(ALL)
    expect([...usualScopes({ scopes: ['read'] })]).toEqual(['read'])
  })
})

describe('a key in the list', () => {
  const key = { id: 'k', scopes: ['upload'] as Scope[], state: 'active' as const }

  test.each([
    ['one that may do as much', { key_id: 'other', scopes: ALL }, true],
    ['one that may do less', { key_id: 'other', scopes: ['read', 'delete'] as Scope[] }, false],
    ['a token', { key_id: null, scopes: ALL }, true],
    ['itself, whatever it may', { key_id: 'k', scopes: ['read'] as Scope[] }, true],
  ])('may be revoked by %s: %p', (_, by, expected) => {
    expect(mayRevoke(key, by)).toBe(expected)
  })

  test('is revoked by nobody once it is over, or before it is known who asks', () => {
    expect(mayRevoke({ ...key, state: 'revoked' }, { key_id: 'k', scopes: ALL })).toBe(false)
    expect(mayRevoke({ ...key, state: 'expired' }, { key_id: 'k', scopes: ALL })).toBe(false)
    expect(mayRevoke(key, null)).toBe(false)
  })

  test('that reads only is not revoked by one that sends nothing', () => {
    expect(mayRevoke({ ...key, scopes: ['read'] }, { key_id: null, scopes: ['read'] })).toBe(false)
  })

  test('is known as the one that one came with', () => {
    expect([isCurrent(key, { key_id: 'k' }), isCurrent(key, { key_id: null }), isCurrent(key, null)]).toEqual(
      [true, false, false],
    )
  })
})
