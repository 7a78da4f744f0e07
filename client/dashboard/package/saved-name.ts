// What files are called that the page gives back. Pure.

/** What file systems don't take, or take for something else; and what turns names around. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\/:*?"<>|]+/gu
const MOST_CHARACTERS = 100

/** `savedName('Lake 2026: a/b', 'manifest.json')` is "Lake 2026 a b manifest.json". */
export function savedName(name: string, ending: string): string {
  const words = name
    .replaceAll(UNSAFE, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/^[.\s]+/, '')
  const cut = [...words].slice(0, MOST_CHARACTERS).join('').trim()
  return cut === '' ? ending : `${cut} ${ending}`
}

/** Another name than that of the document itself, which nobody wants to look for among "lake (1).xml" and "lake (2).xml". */
export function filledName(documentName: string): string {
  const [, stem = '', ending = '.xml'] = /^(.+?)(\.[^.]*)?$/s.exec(documentName) ?? []
  return stem === '' ? `eml-filled${ending}` : `${stem}-filled${ending}`
}
