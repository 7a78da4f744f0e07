import { describe, expect, test } from '@jest/globals'
import { checkMayRevoke, expiryOf, grantOf, OWNER_PATTERN } from '../../server/auth/grant.js'
import { hasScope, type Identity, type Scope, scopes } from '../../server/auth/identity.js'
import { isAppError } from '../../server/errors.js'
import fc from '../support/properties.js'

function maker(...held: Scope[]): Identity {
  return { owner: 'lake', scopes: new Set(held) }
}

/** The scope that was missing; null when it was granted. */
function missing(act: () => unknown): unknown {
  try {
    act()
    return null
  } catch (error) {
    if (!isAppError(error, 'FORBIDDEN')) throw error
    return error.details?.missing_scope
  }
}

const anyScopes = fc.uniqueArray(fc.constantFrom(...scopes), { minLength: 1 })

describe('grantOf', () => {
  test.each<[Scope[], Scope[] | undefined, readonly Scope[] | { lacks: Scope }]>([
    [['upload'], undefined, ['upload']],
    [['upload', 'read', 'delete'], undefined, ['upload', 'read', 'delete']],
    [['admin'], undefined, ['upload', 'read', 'delete']],
    [['upload', 'admin'], undefined, ['upload', 'read', 'delete']],
    [['upload', 'read'], ['read'], ['read']],
    [
      ['upload', 'read'],
      ['upload', 'read'],
      ['upload', 'read'],
    ],
    [['upload'], ['read'], { lacks: 'read' }],
    [['upload', 'read'], ['upload', 'read', 'delete'], { lacks: 'delete' }],
    [['upload', 'read', 'delete'], ['admin'], { lacks: 'admin' }],
    [['admin'], ['admin'], ['admin']],
    [['admin'], ['upload'], ['upload']],
  ])('%j asks for %j: %j', (held, wanted, expected) => {
    if (Array.isArray(expected)) {
      expect(grantOf(maker(...held), { scopes: wanted })).toEqual({
        owner: 'lake',
        scopes: expected,
        groups: [],
      })
    } else {
      expect({ lacks: missing(() => grantOf(maker(...held), { scopes: wanted })) }).toEqual(expected)
    }
  })

  test('never gives more than there is, however many keys make keys', () => {
    fc.assert(
      fc.property(anyScopes, fc.array(fc.option(anyScopes, { nil: undefined })), (first, wishes) => {
        const origin = maker(...first)
        let current = origin
        for (const wanted of wishes) {
          if (missing(() => grantOf(current, { scopes: wanted })) !== null) continue
          const granted = grantOf(current, { scopes: wanted }).scopes
          expect(granted.filter((scope) => !hasScope(origin, scope))).toEqual([])
          expect(granted.length).toBeGreaterThan(0)
          current = maker(...granted)
        }
      }),
    )
  })

  test('makes keys for another owner for admin alone', () => {
    expect(missing(() => grantOf(maker('upload', 'read', 'delete'), { owner: 'river' }))).toBe('admin')
    expect(grantOf(maker('upload'), { owner: 'lake' })).toEqual({
      owner: 'lake',
      scopes: ['upload'],
      groups: [],
    })
    expect(grantOf(maker('admin'), { owner: 'river' }).owner).toBe('river')
  })
})

describe('checkMayRevoke', () => {
  test.each<[Scope[], Scope[], Scope | null]>([
    [['upload'], ['upload'], null],
    [['upload', 'read', 'delete'], ['read'], null],
    [['upload'], ['upload', 'read'], 'read'],
    [['upload', 'read', 'delete'], ['admin'], 'admin'],
    [['admin'], ['admin'], null],
    [['upload'], [], null],
  ])('%j revokes %j: lacking %j', (held, wanted, lacks) => {
    expect(missing(() => checkMayRevoke(maker(...held), wanted))).toBe(lacks)
  })
})

describe('expiryOf', () => {
  const at = (hour: number) => new Date(Date.UTC(2027, 0, 1, hour))
  const now = at(12)
  const uploader = maker('upload')
  const admin = maker('admin')

  test.each<[string, Identity, number | undefined, number | null, number | null | string]>([
    ['nothing asked, nothing given', uploader, undefined, null, null],
    ['a time of its own', uploader, 13, null, 13],
    ["its maker's, when nothing is asked", uploader, undefined, 20, 20],
    ["before its maker's", uploader, 19, 20, 19],
    ["with its maker's", uploader, 20, 20, 20],
    ["after its maker's", uploader, 21, 20, 'FORBIDDEN'],
    ['for admin: never', admin, undefined, 20, null],
    ["for admin: after its maker's", admin, 21, 20, 21],
    ['now', uploader, 12, null, 'INVALID_INPUT'],
    ['before now', uploader, 11, null, 'INVALID_INPUT'],
    ['before now, for admin', admin, 11, null, 'INVALID_INPUT'],
  ])('%s', (_, who, wanted, makersEnd, expected) => {
    const end = () =>
      expiryOf(
        wanted === undefined ? undefined : at(wanted),
        now,
        who,
        makersEnd === null ? null : at(makersEnd),
      )
    if (typeof expected === 'string') expect(end).toThrow(expected)
    else expect(end()).toEqual(expected === null ? null : at(expected))
  })
})

describe('OWNER_PATTERN', () => {
  test.each([
    'a',
    'lter-ntl',
    'uid=x,o=EDI,dc=edirepository,dc=org',
    'https://ror.org/05ffhwq07',
    '~'.repeat(128),
  ])('takes %j', (owner) => {
    expect(owner).toMatch(OWNER_PATTERN)
  })

  test.each(['', ' ', 'two words', 'a\n', 'a\nb', 'größe', 'a\u0000', '\u007f', '~'.repeat(129)])(
    'refuses %j',
    (owner) => {
      expect(owner).not.toMatch(OWNER_PATTERN)
    },
  )
})
