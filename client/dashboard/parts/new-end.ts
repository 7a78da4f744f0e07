// Until when something is to be kept, of what was chosen. Pure.

export const SPANS = ['week', 'month', 'quarter', 'date'] as const
export type Span = (typeof SPANS)[number]

/**
 * The new end: that much later than `endsAt`, or the end of the day `day` where the user is.
 *
 * @param day "2026-12-31", as a date field gives it; "" is none
 * @returns null when there is none, or it isn't later
 */
export function newEnd(span: Span, endsAt: Date, day: string): Date | null {
  const end = span === 'date' ? endOfDay(day) : later(endsAt, span)
  return end !== null && end > endsAt ? end : null
}

function later(from: Date, span: Exclude<Span, 'date'>): Date {
  const end = new Date(from)
  if (span === 'week') end.setUTCDate(end.getUTCDate() + 7)
  else addMonths(end, span === 'month' ? 1 : 3)
  return end
}

/** The 31st of January and a month is the last of February, not a day in March. */
function addMonths(end: Date, months: number): void {
  const day = end.getUTCDate()
  end.setUTCMonth(end.getUTCMonth() + months)
  if (end.getUTCDate() !== day) end.setUTCDate(0)
}

function endOfDay(day: string): Date | null {
  const end = new Date(`${day}T23:59:59`)
  return Number.isNaN(end.getTime()) ? null : end
}

/** The day of `at` where the user is, as a date field takes it. */
export function dayOf(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

/** The latest end that a refusal names; null: it names none. */
export function latestIn(details: Readonly<Record<string, unknown>> | undefined): Date | null {
  const latest = details?.latest_expires_at
  const at = new Date(typeof latest === 'string' ? latest : '')
  return Number.isNaN(at.getTime()) ? null : at
}
