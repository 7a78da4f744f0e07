// Sizes as people write them on a command line. Pure.

import { InvalidArgumentError } from 'commander'

const BYTES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
}

/** "8MiB", "8M", "8mb" and "8388608" in bytes: the letters mean steps of 1024. */
export function sizeOption(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,12})\s*(?:([kmg])(?:i?b)?|b)?$/i.exec(text.trim()) ?? []
  const bytes = Number(digits) * (BYTES[unit.toLowerCase()] ?? 0)
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('A size is written like 8MiB, 512KiB or 8388608.')
}
