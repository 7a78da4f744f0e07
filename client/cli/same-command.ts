// The command to go on with, as it is to be typed into a shell. Pure.

import { plainText } from './plain-text.js'

/**
 * What was typed, quoted for a POSIX shell, without the secrets in it.
 *
 * @param argv as `process.argv`: node and the script come first
 */
export function sameCommand(argv: readonly string[]): string {
  const words: string[] = []
  let isSecret = false
  for (const word of argv.slice(2)) {
    if (!isSecret && !/^--(token|key)(=|$)/.test(word)) words.push(quoted(word))
    isSecret = !isSecret && /^--(token|key)$/.test(word)
  }
  return ['antipasto', ...words].join(' ')
}

function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  // What can't be seen is written as in $'…', which bash, zsh and ksh know.
  if (plainText(word) !== word) {
    const escaped = word.replaceAll(/[\\']/g, '\\$&').replaceAll(/[^ -~]/gu, escapedBytes)
    return `$'${escaped}'`
  }
  return `'${word.replaceAll("'", "'\\''")}'`
}

function escapedBytes(character: string): string {
  return [...new TextEncoder().encode(character)]
    .map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
    .join('')
}
