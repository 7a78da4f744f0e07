// Durations and sizes as people write them: `30d`, `5 GiB`. Pure.

const secondsPerUnit: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 }

const bytesPerUnit: Record<string, number> = {
  '': 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/**
 * Seconds of a duration such as `90s`, `15m`, `12h` or `30d`; undefined when it isn't one.
 *
 * A unit is required: whether a bare `90` meant seconds or days is not ours to guess.
 */
export function parseDurationSeconds(text: string): number | undefined {
  const match = /^(\d{1,10})([smhd])$/.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * secondsPerUnit[match[2]!]!
}

/** Bytes of a size such as `1073741824`, `1GiB` or `1 GiB`; undefined when it isn't one or is over 2^53 - 1. */
export function parseByteCount(text: string): number | undefined {
  const match = /^(\d{1,16}) ?(|[KMGT]iB)$/.exec(text)
  if (match === null) return undefined
  const bytes = Number(match[1]) * bytesPerUnit[match[2]!]!
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
