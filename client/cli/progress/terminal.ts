// Progress on a terminal: a few lines that are drawn again ten times a second, below the lines that stay.

import { createLogUpdate } from 'log-update'
import { frameOf } from './frame.js'
import type { Progress } from './progress.js'
import { Tally } from './tally.js'

const EACH_MS = 100

export interface TerminalProgressOptions {
  /** Standard error of a terminal. */
  stream: NodeJS.WriteStream
  now?: () => number
}

export function terminalProgress({
  stream,
  now = () => performance.now(),
}: TerminalProgressOptions): Progress {
  const tally = new Tally()
  const update = createLogUpdate(stream)
  let isClosed = false

  function draw(): void {
    // One column less: some terminals begin a new line when the last one is filled.
    if (!isClosed)
      update(frameOf(tally.view(now()), Math.max(1, (stream.columns ?? 80) - 1), now()).join('\n'))
  }

  function keep(line: string): void {
    if (isClosed) {
      stream.write(`${line}\n`)
      return
    }
    update.clear()
    stream.write(`${line}\n`)
    draw()
  }

  const timer = setInterval(draw, EACH_MS)
  timer.unref()
  stream.on('resize', draw)

  return {
    begin: (id, name, totalBytes) => tally.begin(id, name, totalBytes, now()),
    resume: (id, bytes) => tally.resume(id, bytes),
    move: (id, bytes, state) => tally.move(id, bytes, state ?? null, now()),
    end(id, outcome) {
      tally.end(id, outcome, now())
    },
    total: (totals) => tally.total(totals),
    note: keep,
    warn: keep,
    close() {
      if (isClosed) return
      clearInterval(timer)
      stream.off('resize', draw)
      update.clear()
      update.done()
      isClosed = true
    },
  }
}
