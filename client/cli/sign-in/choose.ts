// Asks a person which way to sign in.

import { createInterface } from 'node:readline/promises'
import { Interrupted } from '../exit-code.js'
import { plainText } from '../plain-text.js'
import { chosenWay, type Provider, type Way } from './methods.js'

/** Asks until there is an answer; at the end of stdin, or after ctrl-C, throws Interrupted. */
export async function chooseWay(providers: readonly Provider[], signal: AbortSignal): Promise<Way> {
  const names = [...providers.map(({ name }) => plainText(name)), 'with an API key']
  process.stderr.write('How do you sign in?\n')
  for (const [index, name] of names.entries()) process.stderr.write(`  ${index + 1}  ${name}\n`)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const event of ['SIGINT', 'close'] as const) lines.on(event, () => reject(new Interrupted()))
  })
  interrupted.catch(() => {})
  try {
    for (;;) {
      const answer = lines.question(`Number (1 to ${names.length}): `, { signal })
      const way = chosenWay(await Promise.race([answer, interrupted]), providers)
      if (way !== null) return way
    }
  } finally {
    lines.close()
  }
}
