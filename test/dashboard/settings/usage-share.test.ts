import { expect, test } from '@jest/globals'
import { fillOf } from '../../../client/dashboard/settings/usage-share.js'

test.each([
  [5, null, null],
  [0, 10, 'free'],
  [8.9, 10, 'free'],
  [9, 10, 'nearly'],
  [10, 10, 'full'],
  [11, 10, 'full'],
  [0, 0, 'full'],
])('%p of %p is %p', (used, limit, fill) => {
  expect(fillOf(used, limit)).toBe(fill)
})
