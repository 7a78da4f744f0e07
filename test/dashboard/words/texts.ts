// The texts of one language as a list: what a page in another language must not say.

/** Stands for a value that a text has in it. */
const GAP = '\u2042'

export interface Text {
  /** "staged.files" */
  path: string
  /** How many values it takes. */
  valueCount: number
  /** Its words, without the values between them. */
  fragments: string[]
}

/** @param words all texts of a language, as en.ts has them */
export function textsOf(words: object, parent = ''): Text[] {
  return Object.entries(words).flatMap(([name, value]: [string, unknown]) => {
    const path = parent === '' ? name : `${parent}.${name}`
    if (typeof value === 'string') return [{ path, valueCount: 0, fragments: [value] }]
    if (typeof value === 'function') return [textOf(path, value as (...values: unknown[]) => unknown)]
    if (typeof value === 'object' && value !== null) return textsOf(value, path)
    throw new Error(`${path} is no text.`)
  })
}

function textOf(path: string, write: (...values: unknown[]) => unknown): Text {
  const written = write(...Array.from({ length: write.length }, () => GAP))
  if (typeof written !== 'string') throw new Error(`${path} writes no text.`)
  return { path, valueCount: write.length, fragments: written.split(GAP) }
}

/** Which of `said` are texts of one language and not of the other. */
export function saidIn(said: readonly string[], language: readonly Text[], other: readonly Text[]): string[] {
  const [inLanguage, inOther] = [language, other].map((texts) =>
    texts.filter(({ fragments }) => /\p{Ll}{3}/u.test(fragments.join(''))).map(patternOf),
  )
  return said.filter(
    (text) =>
      inLanguage?.some((pattern) => pattern.test(text)) && !inOther?.some((pattern) => pattern.test(text)),
  )
}

function patternOf({ fragments }: Text): RegExp {
  return new RegExp(`^${fragments.map(literally).join('.*')}$`, 'su')
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
