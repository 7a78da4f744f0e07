import { expect, test } from '@jest/globals'
import { query } from '../../../client/api/json.js'
import { at } from '../../../client/api/routes.js'

test('a path has its parameters encoded', () => {
  expect(at('/uploads/{id}/eml', { id: 'a/b?c d' })).toBe('/uploads/a%2Fb%3Fc%20d/eml')
  expect(at('/me')).toBe('/me')
})

test('a path is never another one than it says', () => {
  for (const id of ['', '.', '..']) expect(() => at('/packages/{id}', { id })).toThrow(RangeError)
})

test('a path that openapi.json has not does not compile', () => {
  // @ts-expect-error
  expect(at('/upload')).toBe('/upload')
  // @ts-expect-error
  expect(() => at('/uploads/{id}')).toThrow(RangeError)
  // @ts-expect-error
  expect(() => at('/uploads/{id}', { upload: 'x' })).toThrow(RangeError)
})

test('a query leaves out what is not given, and joins lists', () => {
  expect(query({})).toBe('')
  expect(query({ label: undefined, limit: 0, state: ['ready', 'failed'], q: 'a&b' })).toBe(
    '?limit=0&state=ready%2Cfailed&q=a%26b',
  )
})
