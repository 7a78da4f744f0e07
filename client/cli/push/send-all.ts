// Many files at once: small ones, which cost a round trip each, in more lanes than large ones, which fill the line.

import { SMALL_FILE_BYTES } from '../../api/node/small-file.js'
import { plainText } from '../plain-text.js'
import type { Outcome, Progress } from '../progress/progress.js'
import type { PushOutcome } from './outcome.js'
import { Queue } from './queue.js'
import type { FileSender } from './send-file.js'
import type { PushTally } from './tally.js'
import type { Watch } from './transfer.js'
import { endsPush, isNoRoom } from './verdict.js'
import type { Found, LocalFile, Unsendable } from './walk.js'

export interface SendAllOptions {
  sender: FileSender
  progress: Progress
  tally: PushTally
  lanes: { small: number; large: number }
  /** Each file's end, for programs. */
  tell: (found: Found, outcome: PushOutcome | null) => void
  signal: AbortSignal
}

/** So many are found before their turn comes; where there are more, they are only counted. */
const MOST_WAITING = 5_000

/**
 * Sends what is found, as it is found.
 *
 * @param found walks over it: a second time, to count, when there is more than can wait
 * @returns what ended it before its end, which the next file would have met, too; null when all were tried
 */
export async function sendAll(found: () => AsyncIterable<Found>, options: SendAllOptions): Promise<unknown> {
  const run = new Run(options)
  return run.send(found)
}

class Run {
  readonly #options: SendAllOptions
  readonly #small = new Queue<LocalFile>(MOST_WAITING)
  readonly #large = new Queue<LocalFile>(MOST_WAITING)
  #foundFiles = 0
  #foundBytes = 0
  #isCounted = false
  #lastId = 0
  #isOver = false
  #endedBy: unknown = null
  /** Begins to count; null when that was done. */
  #count: (() => Promise<void>) | null = null
  /** The smallest file that found no room on the server, and what it was told. */
  #noRoom: { sizeBytes: number; outcome: PushOutcome } | null = null

  constructor(options: SendAllOptions) {
    this.#options = options
  }

  async send(found: () => AsyncIterable<Found>): Promise<unknown> {
    const { lanes, signal } = this.#options
    const stop = () => this.#stop()
    signal.addEventListener('abort', stop, { once: true })
    this.#count = async () => this.#countAll(found())
    try {
      await Promise.all([
        this.#feed(found()),
        ...Array.from({ length: lanes.large }, () => this.#lane(this.#large)),
        ...Array.from({ length: lanes.small }, () => this.#lane(this.#small)),
      ])
      return this.#endedBy
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #feed(found: AsyncIterable<Found>): Promise<void> {
    try {
      for await (const item of found) {
        if (this.#isOver) return
        if (item.kind === 'file') await this.#enqueue(item)
        else this.#pass(item)
      }
      if (!this.#isCounted) this.#tellTotal(false)
    } finally {
      this.#small.close()
      this.#large.close()
    }
  }

  #enqueue(file: LocalFile): Promise<void> {
    this.#foundFiles += 1
    this.#foundBytes += file.sizeBytes
    if (!this.#isCounted) this.#tellTotal(true)
    const queue = file.sizeBytes <= SMALL_FILE_BYTES ? this.#small : this.#large
    if (queue.length + 1 >= MOST_WAITING) {
      // Its own affair: nothing waits for it, and what it meets is told by the walk itself.
      void this.#count?.().catch(() => undefined)
      this.#count = null
    }
    return queue.give(file)
  }

  /** The whole, long before it is sent. */
  async #countAll(found: AsyncIterable<Found>): Promise<void> {
    let [files, bytes] = [0, 0]
    for await (const item of found) {
      if (this.#isOver) return
      if (item.kind !== 'file') continue
      files += 1
      bytes += item.sizeBytes
    }
    this.#isCounted = true
    this.#options.progress.total({ files, bytes })
  }

  #pass(item: Unsendable): void {
    const { progress, tally, tell } = this.#options
    const line = `${plainText(item.path)} was not sent: ${plainText(item.reason)}.`
    if (item.kind === 'refused') progress.warn(line)
    else progress.note(line)
    tally.countUnsendable(item)
    tell(item, null)
  }

  #tellTotal(isGrowing: boolean): void {
    this.#options.progress.total({ files: this.#foundFiles, bytes: this.#foundBytes, isGrowing })
  }

  async #lane(queue: Queue<LocalFile>): Promise<void> {
    for (;;) {
      const file = await queue.take()
      if (file === undefined) return
      await this.#sendOne(file)
    }
  }

  async #sendOne(file: LocalFile): Promise<void> {
    const { sender, progress, tally, tell } = this.#options
    this.#lastId += 1
    const id = String(this.#lastId)
    const name = plainText(file.relativePath)
    progress.begin(id, name, file.sizeBytes)
    const isTooLarge = this.#noRoom !== null && file.sizeBytes >= this.#noRoom.sizeBytes
    let outcome =
      isTooLarge && this.#noRoom ? this.#noRoom.outcome : await sender.send(file, this.#watch(id, name))
    if (outcome.state === 'failed' && endsPush(outcome.error)) {
      // Told once, at the end, for all of them.
      this.#endedBy ??= outcome.error
      this.#stop()
      outcome = { state: 'stopped', url: null }
    }
    if (outcome.state === 'failed' && isNoRoom(outcome.error) && !isTooLarge) {
      this.#noRoom = { sizeBytes: file.sizeBytes, outcome }
    }
    progress.end(id, OUTCOME_WORDS[outcome.state])
    if (outcome.state === 'failed' || outcome.state === 'mismatch') {
      progress.warn(`${plainText(file.path)} was not sent: ${plainText(outcome.reason)}.`)
    }
    tally.count(file.path, file.sizeBytes, outcome)
    tell(file, outcome)
  }

  #watch(id: string, name: string): Watch {
    const { progress, tally } = this.#options
    let atBytes = 0
    return {
      resume(bytes, state) {
        atBytes = bytes
        progress.resume(id, bytes)
        if (state !== undefined) progress.move(id, bytes, state)
      },
      move(bytes, state) {
        tally.movedBytes += Math.max(0, bytes - atBytes)
        atBytes = bytes
        progress.move(id, bytes, state)
      },
      note: (line) => progress.note(`${name} ${line}.`),
    }
  }

  #stop(): void {
    this.#isOver = true
    this.#small.close({ isDropped: true })
    this.#large.close({ isDropped: true })
  }
}

const OUTCOME_WORDS: Record<PushOutcome['state'], Outcome> = {
  sent: 'done',
  kept: 'kept',
  failed: 'failed',
  mismatch: 'failed',
  stopped: 'stopped',
}
