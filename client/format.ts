// How numbers and times read on the page. Pure, and free of the DOM: the tests run it in Node.

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const

/**
 * `sizeBytes` in words: "812 B", "57.2 MB", "1.02 TB".
 *
 * Steps of 1024 with the letters KB, MB …, because Uppy writes sizes so on the same page.
 */
export function formatBytes(sizeBytes: number): string {
  let value = Math.max(0, sizeBytes)
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  // 1023.96 KB would read "1024.0 KB".
  if (unit > 0 && unit < UNITS.length - 1 && Number(value.toFixed(1)) >= 1024) {
    value /= 1024
    unit += 1
  }
  const decimals = unit === 0 ? 0 : unit >= 3 ? 2 : 1
  return `${value.toFixed(decimals)} ${UNITS[unit]}`
}

/** `sizeBytes` exactly: "62,914,560 bytes". */
export function formatExactBytes(sizeBytes: number): string {
  return sizeBytes === 1 ? '1 byte' : `${sizeBytes.toLocaleString('en')} bytes`
}

/**
 * What part of a file has arrived, 0 to 100, rounded down so that 100 means all of it.
 *
 * `null` while the size isn't known. An empty file has arrived.
 */
export function percentArrived(offsetBytes: number, sizeBytes: number | null): number | null {
  if (sizeBytes === null) return null
  if (sizeBytes === 0) return 100
  return Math.min(100, Math.floor((offsetBytes / sizeBytes) * 100))
}

/** "24.0 MB of 60.0 MB (40 %)", or "24.0 MB so far" while the size isn't known. */
export function formatProgress(offsetBytes: number, sizeBytes: number | null): string {
  const percent = percentArrived(offsetBytes, sizeBytes)
  if (sizeBytes === null || percent === null) return `${formatBytes(offsetBytes)} so far`
  return `${formatBytes(offsetBytes)} of ${formatBytes(sizeBytes)} (${percent} %)`
}

/**
 * "in 29 days", "in 1 hour"; rounded down, so that nobody counts on time that isn't there. A file sent within the last
 * hour still reads as whole days: "in 30 days" is what was promised.
 *
 * Takes seconds as the server counts them: this browser's clock may be wrong.
 */
export function formatTimeLeft(seconds: number): string {
  if (seconds <= 0) return 'now'
  if (seconds < 60) return 'in less than a minute'
  if (seconds < 3_600) return `in ${count(seconds / 60, 'minute')}`
  if (seconds < 86_400) return `in ${count(seconds / 3_600, 'hour')}`
  return `in ${count((seconds + 3_600) / 86_400, 'day')}`
}

/** A length of time in one unit, rounded down: "45 s", "12 min", "5 h", "29 d". For columns. */
export function formatShortDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min`
  return whole < 2 * 86_400 ? `${Math.floor(whole / 3_600)} h` : `${Math.floor(whole / 86_400)} d`
}

/** A length of time in two units at most: "45 s", "3 min 20 s", "2 h 5 min", "3 days 4 h". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return inTwo(whole, 60, 'min', 1, 's')
  if (whole < 86_400) return inTwo(whole, 3_600, 'h', 60, 'min')
  return inTwo(whole, 86_400, whole < 2 * 86_400 ? 'day' : 'days', 3_600, 'h')
}

function inTwo(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small)
  const whole = `${Math.floor(seconds / large)} ${largeUnit}`
  return rest === 0 ? whole : `${whole} ${rest} ${smallUnit}`
}

/** A moment in the reader's own time zone, with the zone named: "30 Nov 2026, 14:05 CET". */
export function formatMoment(at: Date, locale?: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(locale, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(at)
}

function count(value: number, unit: string): string {
  const whole = Math.floor(value)
  return whole === 1 ? `1 ${unit}` : `${whole} ${unit}s`
}
