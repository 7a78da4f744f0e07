#!/usr/bin/env node
// The command `antipasto`. Everything is in program.ts; here is how it begins and ends.

import { runProgram } from './run-program.js'

// A reader that has seen enough, as `head` has: no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

await runProgram(process.argv)
