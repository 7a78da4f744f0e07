import { execFileSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { waitWords } from '../../../client/cli/progress/wait-words.js'
import { sameCommand } from '../../../client/cli/same-command.js'

const typed = (...words: string[]) => sameCommand(['node', 'main.js', ...words])

describe('the command to go on with', () => {
  test('is what was typed', () => {
    expect(typed('push', 'data/', '--label=lakes-2026', '-j', '4')).toBe(
      'antipasto push data/ --label=lakes-2026 -j 4',
    )
  })

  test('has no secrets in it', () => {
    expect(typed('--token', 'secret', 'push', '--token=secret', 'data', '--key', 'secret')).toBe(
      'antipasto push data',
    )
  })

  test.each([
    "it's",
    'two words',
    '$(rm -rf ~)',
    '`x`',
    '*',
    '',
    'a\nb',
    'ü 湖',
    '\u202egnp',
    "\\'\u001b",
    '-n',
  ])('gives bash %j back', (word) => {
    const command = typed('push', '--', word).replace(/^antipasto/, "printf '%s\\0'")
    const words = execFileSync('bash', ['-c', command]).toString().split('\0')
    expect(words.slice(0, -1)).toEqual(['push', '--', word])
  })
})

test.each([
  ['The connection to a.org broke.', 'The connection to a.org broke; trying again in 3 s'],
  ['The name a.org was not found. Check the URL.', 'The name a.org was not found; trying again in 3 s'],
  ['no full stop', 'no full stop; trying again in 3 s'],
])('of %j a display says %j', (message, words) => {
  expect(waitWords({ error: new Error(message), attempt: 1, delayMs: 2100 })).toBe(words)
})
