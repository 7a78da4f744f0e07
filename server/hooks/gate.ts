// How many checks run at once, and how long one may take.

import { AppError } from '../errors.js'
import { untilAny } from '../storage/until-any.js'
import type { ContentCheck, ContentFacts, ReadContent, Verdict } from './content-check.js'

const MOST_AT_ONCE = 4

export class Gate implements ContentCheck {
  readonly #check: ContentCheck
  readonly #timeoutSeconds: number
  #free: number
  readonly #waiting = new Set<() => void>()

  /** @param timeoutSeconds of each check, from when it is its turn */
  constructor(check: ContentCheck, timeoutSeconds: number, mostAtOnce = MOST_AT_ONCE) {
    this.#check = check
    this.#timeoutSeconds = timeoutSeconds
    this.#free = mostAtOnce
  }

  async check(facts: ContentFacts, read: ReadContent, signal: AbortSignal): Promise<Verdict> {
    await this.#enter(signal)
    const overdue = new AbortController()
    const timer = setTimeout(() => overdue.abort(late(this.#timeoutSeconds)), this.#timeoutSeconds * 1000)
    try {
      // It may have aborted between our turn and now.
      signal.throwIfAborted()
      return await untilAny([signal, overdue.signal], (ending) => this.#check.check(facts, read, ending))
    } finally {
      clearTimeout(timer)
      this.#leave()
    }
  }

  /** First come, first served. @throws the signal's reason */
  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free -= 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = () => {
        this.#waiting.delete(enter)
        reject(signal.reason)
      }
      this.#waiting.add(enter)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** A place is handed on without ever being free: nobody can slip in between. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free += 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

function late(timeoutSeconds: number): AppError {
  return new AppError('UNAVAILABLE', `The content check gave no answer within ${timeoutSeconds} seconds.`)
}
