import { describe, expect, test } from '@jest/globals'
import { type ClaimRules, EDI_ID_PATTERN, identityOfClaims } from '../../server/auth/claims.js'
import { OWNER_PATTERN } from '../../server/auth/grant.js'
import type { Identity } from '../../server/auth/identity.js'
import { ediId } from '../support/iam.js'

const ada = ediId('ada')
const exp = 2_000_000_000
const everybody: ClaimRules['scopes'] = [{ principal: '*', scopes: ['upload', 'read', 'delete'] }]
const edi: ClaimRules = {
  ownerPattern: EDI_ID_PATTERN,
  hostedDomain: 'edirepository.org',
  scopes: everybody,
}
const plain: ClaimRules = { ownerPattern: OWNER_PATTERN, hostedDomain: undefined, scopes: everybody }

function identityIn(claims: Record<string, unknown>, rules: ClaimRules): Identity {
  const outcome = identityOfClaims(claims, rules)
  if ('fault' in outcome) throw new Error(`a fault: ${outcome.fault}`)
  return outcome.identity
}

describe('identityOfClaims', () => {
  test("EDI's claims: sub is the owner, links its other names, principals its groups", () => {
    const claims = {
      sub: ada,
      hd: 'edirepository.org',
      exp,
      cn: 'Ada',
      email: 'ada@example.org',
      principals: [ediId('lter'), ediId('public'), ediId('lter')],
      links: [
        { ediId: ediId('ada at github'), linkedAt: '2025-01-01' },
        { ediId: ediId('ada at orcid') },
        { ediId: ediId('ada at github') },
        { ediId: ada },
      ],
    }
    expect(identityIn(claims, edi)).toEqual({
      owner: ada,
      aliases: [ediId('ada at github'), ediId('ada at orcid')],
      groups: [ediId('lter'), ediId('public')],
      scopes: new Set(['upload', 'read', 'delete']),
      expiresAt: new Date(exp * 1000),
    })
  })

  test("A group's token has only sub and cn, and is somebody", () => {
    expect(identityIn({ sub: ada, exp }, { ...edi, hostedDomain: undefined })).toMatchObject({
      owner: ada,
      aliases: [],
      groups: [],
    })
  })

  test.each<[string, unknown]>([
    ['absent', undefined],
    ['null', null],
    ['a number', 7],
    ['an array', [ada]],
    ['an object', { toString: ada }],
    ['empty', ''],
    ['another prefix', ada.replace('EDI', 'edi')],
    ['upper case', ada.toUpperCase()],
    ['too short', ada.slice(0, -1)],
    ['too long', `${ada}0`],
    ['followed by a line break', `${ada}\n`],
    ['after a line break', `\n${ada}`],
  ])("sub that is %s is nobody under EDI's rules", (_what, sub) => {
    expect(identityOfClaims({ sub, hd: 'edirepository.org', exp }, edi)).toEqual({ fault: 'sub' })
  })

  test.each<[string, unknown]>([
    ['an address', 'auth0|62f1@example.org'],
    ['128 characters', 'a'.repeat(128)],
  ])('sub that is %s is an owner elsewhere', (_what, sub) => {
    expect(identityIn({ sub, exp }, plain).owner).toBe(sub)
  })

  test.each<[string, unknown]>([
    ['with a space', 'ada lovelace'],
    ['129 characters', 'a'.repeat(129)],
    ['beyond ASCII', 'adä'],
    ['a control character', 'a\u0000b'],
    ["the owner of the settings' keys", 'default'],
    ['who reads without a credential', 'anonymous'],
  ])('sub that is %s is nobody anywhere', (_what, sub) => {
    expect(identityOfClaims({ sub, exp }, plain)).toEqual({ fault: 'sub' })
    expect(identityIn({ sub: 'ada', exp, links: [{ ediId: sub }] }, plain).aliases).toEqual([])
  })

  test.each([undefined, null, 'edirepository.org.evil.example', ['edirepository.org'], ''])(
    'hd %j is refused where one is asked for',
    (hd) => {
      expect(identityOfClaims({ sub: ada, hd, exp }, edi)).toEqual({ fault: 'hd' })
    },
  )

  test.each([undefined, null, '2000000000', Number.NaN, Number.POSITIVE_INFINITY, 1e300])(
    'exp %p is refused: a token has an end',
    (end) => {
      expect(identityOfClaims({ sub: 'ada', exp: end }, plain)).toEqual({ fault: 'exp' })
    },
  )

  test.each<[string, unknown]>([
    ['absent', undefined],
    ['null', null],
    ['a text', ada],
    ['an object', { ediId: ada }],
    ['of texts', [ediId('other')]],
    ['of nulls', [null, undefined]],
    ['of numbers', [{ ediId: 5 }]],
    ['of the wrong shape', [{ ediId: 'EDI-1' }, { ediId: `${ediId('other')} ` }]],
  ])('links that are %s are no names', (_what, links) => {
    expect(identityIn({ sub: ada, hd: 'edirepository.org', exp, links }, edi).aliases).toEqual([])
  })

  test.each<[string, Record<string, unknown>, string[]]>([
    ['principals', { principals: ['a', 'b'], groups: ['c'] }, ['a', 'b']],
    ['no principals', { groups: ['c'] }, ['c']],
    ['empty principals', { principals: [], groups: ['c'] }, []],
    ['a text', { principals: 'admins' }, []],
    ['what is no name', { principals: ['a', 1, null, '', 'two words', ['b'], {}, 'b'] }, ['a', 'b']],
    ['one twice', { groups: ['c', 'c'] }, ['c']],
    ['the names that are ours', { groups: ['default', 'anonymous', 'c'] }, ['c']],
  ])('groups from %s', (_what, claims, groups) => {
    expect(identityIn({ sub: 'ada', exp, ...claims }, plain).groups).toEqual(groups)
  })

  test('Names and groups are bounded', () => {
    const many = Array.from({ length: 1000 }, (_, index) => `g${index}`)
    const claims = { sub: 'ada', exp, principals: many, links: many.map((name) => ({ ediId: name })) }
    const { aliases, groups } = identityIn(claims, plain)
    expect(aliases).toHaveLength(100)
    expect(groups).toHaveLength(500)
  })

  describe('AUTH_SCOPES', () => {
    const rules: ClaimRules = {
      ...plain,
      scopes: [
        { principal: 'ada', scopes: ['upload'] },
        { principal: 'ada-at-orcid', scopes: ['delete'] },
        { principal: 'staff', scopes: ['admin'] },
      ],
    }
    test.each<[string, Record<string, unknown>, string[]]>([
      ['a person', { sub: 'ada' }, ['upload']],
      ['another name of hers', { sub: 'x', links: [{ ediId: 'ada-at-orcid' }] }, ['delete']],
      ['a group', { sub: 'x', principals: ['staff'] }, ['admin']],
      ['several', { sub: 'ada', principals: ['staff'] }, ['upload', 'admin']],
      ['nobody named', { sub: 'x' }, []],
      ['who is called *', { sub: '*' }, []],
      ['another case', { sub: 'Ada' }, []],
    ])('%s', (_what, claims, scopes) => {
      expect([...identityIn({ exp, ...claims }, rules).scopes]).toEqual(scopes)
    })

    test('* is everybody, and adds to what somebody gets by name', () => {
      const both: ClaimRules['scopes'] = [{ principal: '*', scopes: ['read'] }, ...rules.scopes]
      const { scopes } = identityIn({ sub: 'ada', exp }, { ...plain, scopes: both })
      expect([...scopes]).toEqual(['read', 'upload'])
    })
  })
})
