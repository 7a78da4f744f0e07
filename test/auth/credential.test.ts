import { expect, test } from '@jest/globals'
import { placeOfCredential } from '../../server/auth/credential.js'

test.each([
  [{}, undefined],
  [{ authorization: 'Bearer abc' }, 'authorization'],
  [{ authorization: 'bearer abc' }, 'authorization'],
  [{ 'x-api-key': 'abc' }, 'x-api-key'],
  [{ authorization: 'Basic dTpw' }, undefined],
  [{ authorization: 'Basic dTpw', 'x-api-key': 'abc' }, 'x-api-key'],
  [{ authorization: 'Bearerabc' }, undefined],
] as const)('%j: %s', (headers, place) => {
  expect(placeOfCredential('/uploads?limit=5', headers)).toBe(place)
})

test.each([
  ['/uploads', { authorization: 'Bearer' }],
  ['/uploads', { authorization: 'Bearer ' }],
  ['/uploads', { authorization: 'Bearer a b' }],
  ['/uploads', { authorization: 'Bearer  a' }],
  ['/uploads', { authorization: 'Bearer abc', 'x-api-key': 'abc' }],
  ['/uploads', { 'x-api-key': '' }],
  ['/uploads', { 'x-api-key': 'a, b' }],
  ['/uploads?access_token=abc', {}],
  ['/uploads?limit=1&access%5Ftoken=abc', { authorization: 'Bearer abc' }],
  ['/uploads?access_token', {}],
])('%s with %j is INVALID_INPUT, and the message says how to send a key', (url, headers) => {
  expect(() => placeOfCredential(url, headers)).toThrow(/^INVALID_INPUT: .*Authorization: Bearer <key>/)
})

test('A query that only mentions access_token is no credential', () => {
  expect(placeOfCredential('/files?filename=access_token&q=a%zz', {})).toBeUndefined()
})
