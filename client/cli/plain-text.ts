// Names as one visible line: what a hostile file name may hold must not move the cursor, nor turn the line around. Pure.

/**
 * Control characters, line and paragraph separators, halves of surrogate pairs, and what formats without being seen:
 * it turns the direction of text, or has no width. Left alone are the joiners, which make emoji and Indic letters, and
 * marks of this kind that are seen, as Arabic number signs.
 */
const UNSAFE =
  /(?!\u200c|\u200d|[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}])[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Cf}]/gu

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * `text` on one line, in the order in which it is stored: `\n`, `\x1b`, `\u202e` stand for what can't be shown.
 *
 * Backslashes stay as they are, so this can't be read back: it is for eyes. --json has names as they are.
 */
export function plainText(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0
    const hex = code.toString(16)
    if (code > 0xffff) return `\\u{${hex}}`
    return SHORT[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`)
  })
}
