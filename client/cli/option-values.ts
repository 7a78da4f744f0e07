// What options mean: times and lengths of time as people write them. Pure; what can't be read is a usage error.

import { InvalidArgumentError } from 'commander'

const SECONDS: Record<string, number> = { m: 60, h: 3_600, d: 86_400, w: 604_800 }

/** "30d", "12h", "2w" in seconds. */
export function durationOption(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text.trim()) ?? []
  const seconds = Number(digits) * (SECONDS[unit] ?? 0)
  if (seconds > 0) return seconds
  throw new InvalidArgumentError('A length of time is written like 12h, 30d or 2w.')
}

/** A day, whose end is meant, or a moment with its zone: "2027-06-30", "2027-06-30T12:00:00Z". */
export function momentOption(text: string): Date {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const isMoment = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text)
  const at = new Date(isDay ? `${text}T23:59:59Z` : text)
  // A 30 February is no day, though Date reads it as one in March.
  const isReal = isDay ? at.getTime() && at.toISOString().startsWith(text) : at.getTime()
  if ((isDay || isMoment) && isReal) return at
  throw new InvalidArgumentError('A time is written like 2027-06-30, or 2027-06-30T12:00:00Z.')
}

/** A whole number from 0. */
export function countOption(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('A whole number is needed here.')
}

/** For options that may be given several times. */
export function collected(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}
