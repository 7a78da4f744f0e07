import { describe, expect, test } from '@jest/globals'
import { readOptions } from './options.js'

describe('The options of the fault suite', () => {
  test('are one fresh seed and a minute, unless something else is said', () => {
    expect(readOptions([], 42)).toEqual({ seeds: [42], durationMs: 60_000, logFile: null })
    expect(readOptions(['--hour'], 42).durationMs).toBe(3_600_000)
    expect(readOptions(['--minutes', '0.5', '--log', 'a.jsonl'], 42)).toEqual({
      ...{ seeds: [42], durationMs: 30_000, logFile: 'a.jsonl' },
    })
  })

  test('name a seed to repeat, and how many come after it', () => {
    expect(readOptions(['--seed', '7'], 42).seeds).toEqual([7])
    expect(readOptions(['--seed', '7', '--seeds', '3'], 42).seeds).toEqual([7, 8, 9])
  })

  test.each([
    [['--seed', '-1'], /--seed/],
    [['--seed', 'x'], /--seed takes/],
    [['--seeds', '0'], /--seeds takes/],
    [['--minutes', '0'], /--minutes takes/],
    [['--what'], /--what/],
  ])('say what is wrong with %j', (args, message) => {
    expect(() => readOptions(args, 42)).toThrow(message)
  })
})
