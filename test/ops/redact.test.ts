import { expect, test } from '@jest/globals'
import { shownPath } from '../../server/ops/redact.js'

test.each([
  ['/uploads/u1', '/uploads/u1'],
  ['/uploads?q=secret', '/uploads'],
  ['/uploads#a?b', '/uploads'],
  ['/r/TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  ['/R/TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  ['/r/TOKEN', '/r/[redacted]'],
  ['/r/TOKEN?x=TOKEN', '/r/[redacted]'],
  ['http://host/r/TOKEN/lake.csv', '/r/[redacted]/lake.csv'],
  [`/api-keys/ap_${'k'.repeat(27)}`, '/api-keys/[redacted]'],
  ['http://host?x=1', ''],
  ['/', '/'],
  ['*', '*'],
  ['', ''],
])('%s is shown as %s', (url, shown) => {
  expect(shownPath(url)).toBe(shown)
})
