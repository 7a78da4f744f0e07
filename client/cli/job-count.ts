// How many things a command does at once, as it is given on the command line. Pure.

import { InvalidArgumentError } from 'commander'

export function jobCount(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1 to 99.')
}
