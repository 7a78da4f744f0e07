// Which antipasto this is, as package.json says.

import { readFileSync } from 'node:fs'

/** Beside dist/, in the project as in an installed package. */
const packageFile = new URL('../../../package.json', import.meta.url)

export function version(): string {
  const facts: unknown = JSON.parse(readFileSync(packageFile, 'utf8'))
  if (typeof facts !== 'object' || facts === null || !('version' in facts))
    throw new Error('package.json has no version.')
  return String(facts.version)
}
