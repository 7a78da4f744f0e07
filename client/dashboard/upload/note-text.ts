// What a typed text is as a note. Pure.

/** In UTF-8, as the server counts. */
export const LONGEST_NOTE_BYTES = 1_000

/** One line in NFC without control characters, as the server takes it; null: none. */
export function noteOf(typed: string): string | null {
  const line = typed
    .replaceAll(/\s+/gu, ' ')
    .replaceAll(/\p{Cc}/gu, '')
    .normalize('NFC')
    .trim()
  return line === '' ? null : line
}

export function isTooLong(note: string | null): boolean {
  return note !== null && new TextEncoder().encode(note).byteLength > LONGEST_NOTE_BYTES
}
