// Progress where there is no terminal: a line for each file that has ended, and one each half minute of the whole.

import { formatBytes } from '../../format.js'
import { totalWords } from './frame.js'
import type { Outcome, Progress } from './progress.js'
import { Tally } from './tally.js'

const EACH_MS = 30_000

/** How a file's end reads; nothing is said of an end without words: why one failed is said by `warn`. */
export type OutcomeWords = Partial<Record<Outcome, string>>

export interface PlainProgressOptions {
  words: OutcomeWords
  note: (line: string) => void
  warn: (line: string) => void
  now?: () => number
}

export function plainProgress({
  words,
  note,
  warn,
  now = () => performance.now(),
}: PlainProgressOptions): Progress {
  const tally = new Tally()
  const timer = setInterval(() => {
    const view = tally.view(now())
    note(totalWords(view))
    for (const { name, state } of view.running) if (state !== null) note(`${name}: ${state}`)
  }, EACH_MS)
  timer.unref()

  return {
    begin: (id, name, totalBytes) => tally.begin(id, name, totalBytes, now()),
    resume: (id, bytes) => tally.resume(id, bytes),
    move: (id, bytes, state) => tally.move(id, bytes, state ?? null, now()),
    end(id, outcome) {
      const file = tally.end(id, outcome, now())
      const word = words[outcome]
      if (file === undefined || word === undefined) return
      note(`${word}  ${formatBytes(file.totalBytes ?? file.bytes)}  ${file.name}`)
    },
    total: (totals) => tally.total(totals),
    note,
    warn,
    close: () => clearInterval(timer),
  }
}
