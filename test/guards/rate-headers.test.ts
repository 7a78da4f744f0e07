import { expect, test } from '@jest/globals'
import { policyItem, resetSeconds, stateItem } from '../../server/guards/rate-headers.js'

const policy = { name: 'key', requests: 600, windowSeconds: 60 }

test('A policy is told as the draft writes it', () => {
  expect(policyItem(policy)).toBe('"key";q=600;w=60')
})

test.each([
  [{ remainingRequests: 599, resetMs: 60_000, isOver: false }, '"key";r=599;t=60'],
  [{ remainingRequests: 0, resetMs: 41_001, isOver: true }, '"key";r=0;t=42'],
  // In the window's last moment nobody is told to come back at once: it would be the same window.
  [{ remainingRequests: 0, resetMs: 0, isOver: true }, '"key";r=0;t=1'],
  [{ remainingRequests: -1, resetMs: 1, isOver: true }, '"key";r=0;t=1'],
])('How a client stands: %j', (state, item) => {
  expect(stateItem(policy, state)).toBe(item)
  expect(resetSeconds(state)).toBe(Number(item.split('t=')[1]))
})
