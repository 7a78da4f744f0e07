// Questions to a person at a terminal. They go to stderr: stdout may be a pipe.

import { createInterface } from 'node:readline/promises'

/** True when the person says yes; Enter alone is no. */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const closed = new Promise<string>((resolve) => reader.once('close', () => resolve('')))
    // In raw mode ctrl-C comes as a key.
    reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    const answer = await Promise.race([reader.question(`${question} [y/N] `, { signal }), closed])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    reader.close()
  }
}

/** Whether somebody can be asked: both ends are a terminal. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}
