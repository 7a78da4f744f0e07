// How numbers, sizes and times read on the page, in any language. Pure, and free of the DOM: the tests run it in Node.

import { formatBytes } from '../../format.js'

export interface Formats {
  /** "57.2 MB". The same steps and letters everywhere, Uppy's panel included. */
  bytes(sizeBytes: number): string
  /** "62,914,560 bytes", for whoever points at a size. */
  exactBytes(sizeBytes: number): string
  /** "12.4 MB/s" */
  rate(bytesPerSecond: number): string
  count(value: number): string
  /** "40%"; rounded down, so that all of it is only said of all of it. */
  percent(part: number, whole: number): string
  /** "in 29 days", rounded down: nobody is to count on time that isn't there. */
  timeLeft(seconds: number): string
  /** "3 hours ago" */
  ago(seconds: number): string
  /** "3 min 20 s": two units at most. */
  duration(seconds: number): string
  /** "30 Nov 2026, 14:05 CET" */
  moment(at: Date): string
  /** "30 Nov 2026" */
  day(at: Date): string
}

const MINUTE = 60
const HOUR = 3_600
const DAY = 86_400

/**
 * @param locale a BCP 47 tag: "en-GB", "es"
 * @param timeZone default: the user's
 */
export function createFormats(locale: string, timeZone?: string): Formats {
  const zone = timeZone === undefined ? {} : { timeZone }
  const numbers = new Intl.NumberFormat(locale)
  const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'always' })
  const exact = new Intl.NumberFormat(locale, { style: 'unit', unit: 'byte', unitDisplay: 'long' })
  const moments = new Intl.DateTimeFormat(locale, {
    ...{ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' },
    timeZoneName: 'short',
    ...zone,
  })
  const days = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', ...zone })
  const unit = (value: number, name: 'day' | 'hour' | 'minute' | 'second') =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short' }).format(value)

  return {
    bytes: formatBytes,
    exactBytes: (sizeBytes) => exact.format(sizeBytes),
    rate: (bytesPerSecond) => `${formatBytes(bytesPerSecond)}/s`,
    count: (value) => numbers.format(value),
    percent: (part, whole) => percents.format(whole === 0 ? 1 : Math.floor((part / whole) * 100) / 100),
    timeLeft(seconds) {
      const left = Math.max(0, Math.floor(seconds))
      if (left < MINUTE) return relative.format(left, 'second')
      if (left < HOUR) return relative.format(Math.floor(left / MINUTE), 'minute')
      if (left < DAY) return relative.format(Math.floor(left / HOUR), 'hour')
      // Sent within the last hour, it still has the whole days that were promised.
      return relative.format(Math.floor((left + HOUR) / DAY), 'day')
    },
    ago(seconds) {
      const past = Math.max(0, Math.floor(seconds))
      if (past < MINUTE) return relative.format(-past, 'second')
      if (past < HOUR) return relative.format(-Math.floor(past / MINUTE), 'minute')
      if (past < DAY) return relative.format(-Math.floor(past / HOUR), 'hour')
      return relative.format(-Math.floor(past / DAY), 'day')
    },
    duration(seconds) {
      const whole = Math.max(0, Math.round(seconds))
      if (whole < MINUTE) return unit(whole, 'second')
      const [large, largeName, small, smallName] =
        whole < HOUR
          ? ([MINUTE, 'minute', 1, 'second'] as const)
          : whole < DAY
            ? ([HOUR, 'hour', MINUTE, 'minute'] as const)
            : ([DAY, 'day', HOUR, 'hour'] as const)
      const rest = Math.floor((whole % large) / small)
      const first = unit(Math.floor(whole / large), largeName)
      return rest === 0 ? first : `${first} ${unit(rest, smallName)}`
    },
    moment: (at) => moments.format(at),
    day: (at) => days.format(at),
  }
}
