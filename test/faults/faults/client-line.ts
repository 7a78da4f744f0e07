import type { Fault } from './fault.js'
import { drawLineTrouble } from './line-trouble.js'

/** As many as there are clients; with fewer lines, several numbers mean the same. */
const LINES = 11

/** The network of one client, or of all of them. */
export const clientLine: Fault = {
  kind: 'client-line',
  weight: 3,
  draw(random) {
    const number = random.chance(0.2) ? 'all' : random.integer(1, LINES)
    const { begin, ...trouble } = drawLineTrouble(random, 120)
    return {
      ...trouble,
      target: number === 'all' ? 'every client' : `client ${number}`,
      recoversMs: 500,
      occupies: number === 'all' ? Array.from({ length: LINES }, (_, i) => lineOf(i + 1)) : [lineOf(number)],
      begin: (stage) =>
        begin(stage.lines.filter((_, i) => number === 'all' || i === (number - 1) % stage.lines.length)),
    }
  },
}

function lineOf(number: number): string {
  return `line of client ${number}`
}
