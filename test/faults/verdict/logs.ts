// What instances say of themselves: a bug that was caught, one that wasn't, one that a client never saw. Pure.

import type { Violate } from './uploads.js'

const MOST_CHARACTERS = 1500

/** @param name of the instance */
export function judgeLog(name: string, log: string, violate: Violate): void {
  for (const line of log.split('\n')) {
    if (!isTrouble(line)) continue
    violate('trouble in a log', `${name}: ${line.slice(0, MOST_CHARACTERS)}`)
  }
}

/** A line of ours that tells of a bug, or one that isn't ours at all and tells of an end. */
function isTrouble(line: string): boolean {
  return (
    /"level":"fatal"/.test(line) ||
    /"level":"error".*"msg":"request failed"/.test(line) ||
    /^(Uncaught|Error: |\w*Error: |.*UnhandledPromiseRejection|FATAL ERROR)/.test(line)
  )
}
