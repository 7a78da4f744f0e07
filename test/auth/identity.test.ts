import { expect, test } from '@jest/globals'
import {
  anonymousReader,
  checkScope,
  hasScope,
  type Identity,
  isScope,
  type Scope,
  scopes,
} from '../../server/auth/identity.js'
import { AppError } from '../../server/errors.js'

function identityWith(...held: Scope[]): Identity {
  return { owner: 'lter-ntl', scopes: new Set(held) }
}

test.each(scopes.flatMap((held) => scopes.map((asked) => [held, asked] as const)))(
  'Who holds %s and is asked for %s passes only if they are the same or it is admin',
  (held, asked) => {
    expect(hasScope(identityWith(held), asked)).toBe(held === asked || held === 'admin')
  },
)

test('A missing scope is FORBIDDEN, and named', () => {
  expect(() => checkScope(identityWith('read', 'upload'), 'upload')).not.toThrow()
  const check = () => checkScope(identityWith('read', 'upload'), 'delete')
  expect(check).toThrow(AppError)
  expect(check).toThrow('FORBIDDEN: This needs a credential with the scope "delete".')
})

test('The anonymous reader sees every owner and may only read', () => {
  expect(anonymousReader.seesAll).toBe(true)
  expect(scopes.filter((scope) => hasScope(anonymousReader, scope))).toEqual(['read'])
})

test('Only the four scopes are scopes', () => {
  expect(scopes.every(isScope)).toBe(true)
  expect(['', 'Upload', 'write', 'toString'].some(isScope)).toBe(false)
})
