// How many columns a text takes on a terminal, where a Chinese character takes two and an accent none. Pure.

import cliTruncate from 'cli-truncate'
import stringWidth from 'string-width'

export function displayWidth(text: string): number {
  return stringWidth(text)
}

/** `text` in at most `columns`, with an ellipsis in place of what doesn't fit: at its end, or where `position` says. */
export function truncated(
  text: string,
  columns: number,
  position: 'start' | 'middle' | 'end' = 'end',
): string {
  // Where a wide character would be cut in half, cli-truncate keeps it and is a column too wide.
  for (let room = columns; room > 0; room -= 1) {
    const cut = cliTruncate(text, room, { position })
    if (displayWidth(cut) <= columns) return cut
  }
  return ''
}

/** `text` and blanks, so that it takes `columns`. */
export function padded(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, columns - displayWidth(text)))
  return align === 'left' ? text + blanks : blanks + text
}
