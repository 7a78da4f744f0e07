import { describe, expect, test } from '@jest/globals'
import {
  explainRefusal,
  isDoubtfulHead,
  nextStepAfter,
  retryDelaysMs,
} from '../../client/dashboard/problem.js'

describe('after a failed request', () => {
  test.each([
    [null, 'retry'],
    [401, 'ask-key'],
    [403, 'give-up'],
    [404, 'give-up'],
    [409, 'retry'],
    [410, 'give-up'],
    [413, 'give-up'],
    [422, 'give-up'],
    [423, 'retry'],
    [429, 'retry'],
    [460, 'give-up'],
    [500, 'retry'],
    [503, 'retry'],
    [507, 'give-up'],
  ])('%p: %s', (status, step) => {
    expect(nextStepAfter(status)).toBe(step)
  })

  test.each([
    [401, true],
    [403, true],
    [429, true],
    [500, true],
    [503, true],
    [200, false],
    [404, false],
    [410, false],
    [423, false],
  ])('a HEAD that answers %d leaves it in doubt whether the upload exists: %p', (status, isDoubtful) => {
    expect(isDoubtfulHead(status)).toBe(isDoubtful)
  })

  test('it is tried again at once, then patiently for a day', () => {
    const delays = retryDelaysMs()
    expect(delays[0]).toBe(0)
    expect(Math.max(...delays)).toBe(30_000)
    expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThanOrEqual(86_400_000)
  })
})

describe('what the user reads', () => {
  test("is the server's own sentence when it gives one", () => {
    const body = JSON.stringify({ title: 'Payload too large', detail: 'At most 5 GiB. Ask for more.' })
    expect(explainRefusal(413, body)).toBe('At most 5 GiB. Ask for more.')
  })

  test.each([[''], ['<html>Bad gateway</html>'], ['null'], ['[]'], ['{"detail":""}'], ['{"detail":5}']])(
    'is ours when the body is %s',
    (body) => {
      expect(explainRefusal(413, body)).toBe('This file is larger than the server allows.')
      expect(explainRefusal(502, body)).toBe('The server answered 502. Try again in a while.')
    },
  )

  test('says that no answer came', () => {
    expect(explainRefusal(null, '')).toMatch(/cannot be reached/)
  })
})
