// What a key may do on the page.

import { expect, test } from '@jest/globals'
import { may } from '../../../client/dashboard/sign-in/rights.js'

test('a key may what its scopes say, and nothing is ruled out before the server has told', () => {
  expect(may(null, 'admin')).toBe(true)
  expect(may({ scopes: ['read'] }, 'read')).toBe(true)
  expect(may({ scopes: ['read'] }, 'upload')).toBe(false)
})
