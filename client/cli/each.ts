// Several things in one command: one that fails doesn't stop the rest.

import { Unauthorized } from '../api/errors.js'
import { type ExitCode, exitCodeOfMany } from './exit-code.js'
import { failureLine, failureOf } from './failure.js'
import type { Session } from './session.js'

/**
 * Does `work` for each word; a failure is one line, or one JSON object, with the word. Answers the exit code: 3 when some
 * failed.
 *
 * A credential that isn't accepted would fail them all, so that is thrown, and so is an interruption.
 */
export async function eachOf(
  { output, signal, settings }: Session,
  words: readonly string[],
  work: (word: string) => Promise<void>,
): Promise<ExitCode> {
  const failures: unknown[] = []
  for (const word of words) {
    try {
      signal.throwIfAborted()
      await work(word)
    } catch (error) {
      if (words.length === 1 || signal.aborted || error instanceof Unauthorized) throw error
      failures.push(error)
      const failure = failureOf(error, settings.tokenSource)
      const message = failure.message.includes(word) ? failure.message : `${word}: ${failure.message}`
      if (output.isJson) output.result({ target: word, error: failure })
      else output.warn(`${output.colors.red('antipasto:')} ${failureLine({ ...failure, message })}`)
    }
  }
  return exitCodeOfMany(words.length, failures)
}
