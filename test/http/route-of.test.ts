import { describe, expect, test } from '@jest/globals'
import { routeFinder } from '../../server/http/route-of.js'
import { operations } from '../../server/openapi.js'

const find = routeFinder(operations)

describe('The operation of a request', () => {
  test.each(operations.map(({ method, path, id }) => [method.toUpperCase(), path, id]))(
    '%s %s is itself',
    (method, path, id) => {
      const asked = path.replaceAll(/\{(\w+)\}/g, 'some-$1')
      expect(find(method, asked)).toEqual({ path, id })
      expect(find(method, `${asked.toUpperCase()}/`)).toEqual({ path, id })
    },
  )

  test("of a HEAD is the GET's, where there is no other", () => {
    expect(find('HEAD', '/me')).toEqual(find('GET', '/me'))
    expect(find('HEAD', '/uploads/some-id')?.id).not.toBe(find('GET', '/uploads/some-id')?.id)
  })

  test.each([
    ['GET', '/'],
    ['GET', '/nowhere'],
    ['GET', '/uploads/a/b/c'],
    ['PUT', '/me'],
    ['GET', '/uploads//'],
    ['BREW', '/uploads'],
  ])('%s %s is none', (method, path) => {
    expect(find(method, path)).toBeUndefined()
  })
})
