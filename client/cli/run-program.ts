// Reads the command line, and tells what is wrong with it.

import { CommanderError } from 'commander'
import { EXIT } from './exit-code.js'
import { createProgram } from './program.js'

/** Runs the command that `argv` names, and sets the process's exit code. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  const isJson = argv.includes('--json')
  const program = createProgram({ isJson })
  try {
    await program.parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help that was asked for, or the version.
    if (error.exitCode === 0) return
    process.exitCode = EXIT.usage
    // Without a command its help was written, which says enough.
    if (!isJson || error.code === 'commander.help') return
    const message = error.message.replace(/^error: /, '')
    process.stdout.write(
      `${JSON.stringify({ error: { code: 'USAGE', message, request_id: null, hint: null } })}\n`,
    )
  }
}
