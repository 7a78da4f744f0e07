// A key from whoever signs in: typed without being shown, or from stdin.

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Interrupted } from '../exit-code.js'

const MOST_BYTES = 64 * 1024

/** What is typed after `question`, which is on stderr; the letters aren't shown. Ctrl-C throws Interrupted. */
export function askSecret(question: string, signal: AbortSignal): Promise<string> {
  process.stderr.write(question)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  return new Promise<string>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    // In raw mode the terminal makes no signal of it.
    lines.on('SIGINT', () => reject(new Interrupted()))
    lines.on('close', () => resolve(''))
    lines.on('line', (line) => resolve(line.trim()))
  }).finally(() => {
    lines.close()
    process.stderr.write('\n')
  })
}

/** All of stdin, without the blanks around it. */
export async function readSecret(): Promise<string> {
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for await (const piece of process.stdin) {
    pieces.push(piece as Buffer)
    sizeBytes += (piece as Buffer).byteLength
    if (sizeBytes > MOST_BYTES) break
  }
  return Buffer.concat(pieces).toString('utf8').trim()
}
