// Which display is the right one here.

import type { Output } from '../output.js'
import { type OutcomeWords, plainProgress } from './plain.js'
import type { Progress } from './progress.js'
import { silentProgress } from './silent.js'
import { terminalProgress } from './terminal.js'

/**
 * On a terminal everything that `output` says goes above the display until it is closed.
 *
 * @param words of the lines of files that have ended, where there is no terminal
 */
export function openProgress(
  output: Pick<Output, 'isJson' | 'isQuiet' | 'isTerminal' | 'note' | 'warn' | 'redirect'>,
  words: OutcomeWords,
): Progress {
  const { isJson, isQuiet, isTerminal } = output
  const note = (line: string) => output.note(line)
  const warn = (line: string) => output.warn(line)
  if (isJson || isQuiet) return silentProgress(warn)
  if (!isTerminal) return plainProgress({ words, note, warn })
  const progress = terminalProgress({ stream: process.stderr })
  output.redirect(progress.warn)
  return {
    ...progress,
    close() {
      output.redirect(null)
      progress.close()
    },
  }
}
