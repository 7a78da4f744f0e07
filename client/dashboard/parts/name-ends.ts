// Names are told apart by how they begin and by how they end: a date, a number, what kind of file. Pure.

const TAIL_CHARACTERS = 14
/** Shorter ones rarely have to be cut. */
const SHORT_CHARACTERS = 28

/** Hebrew, Arabic and what is written like them: letters that join are torn by a cut, and the two ends would change places. */
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFF]/

/** A long name as what may be cut, and what is always shown; never in the middle of a character. */
export function nameEnds(name: string): [head: string, tail: string] {
  if (RIGHT_TO_LEFT.test(name)) return [name, '']
  const characters = [...new Intl.Segmenter().segment(name)]
  if (characters.length <= SHORT_CHARACTERS) return [name, '']
  const at = characters.at(-TAIL_CHARACTERS)?.index ?? name.length
  return [name.slice(0, at), name.slice(at)]
}
