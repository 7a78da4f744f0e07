// The end of the event log, as all readers of this instance see it: one of them looks, for all.

import { setTimeout as sleep } from 'node:timers/promises'
import type { OwnerScope } from '../auth/owner-scope.js'
import type { EventOrder } from './order.js'
import { type EventPage, EventRing } from './ring.js'

const LOOK_EVERY_MS = 100
/** While the database doesn't answer. */
const LOOK_AGAIN_MS = 1_000
const RING_EVENTS = 2_048

/** Who wants to know how late readers are told. Must be quick, and never throw. */
export interface TailObserver {
  /** While somebody waited for events, some got their place: the oldest was so old. */
  placed(seconds: number): void
}

interface Waiter {
  after: number
  wake(): void
}

/**
 * Readers pull: `read`, and when there was nothing, `changed` and `readKnown`, again and again from the page's `next`.
 *
 * What is read is never held back and never doubled, whichever instances a reader asks one after the other.
 */
export class EventTail {
  readonly #order: EventOrder
  readonly #ringEvents: number
  readonly #observer: TailObserver | undefined
  readonly #ring: EventRing
  readonly #waiters = new Set<Waiter>()
  #looking: Promise<void> | undefined
  #lookingNext: Promise<void> | undefined
  #isPolling = false
  readonly #closing = new AbortController()

  constructor(
    order: EventOrder,
    { ringEvents = RING_EVENTS, observer }: { ringEvents?: number; observer?: TailObserver | undefined } = {},
  ) {
    this.#order = order
    this.#observer = observer
    this.#ringEvents = ringEvents
    this.#ring = new EventRing(ringEvents)
  }

  /** Aborts with `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** The newest sequence that this instance has seen. */
  get head(): number {
    return this.#ring.head
  }

  /** The newest sequence there is: no event that was committed before the call is behind it. @throws UNAVAILABLE */
  async newest(): Promise<number> {
    await this.#lookAnew()
    return this.head
  }

  /**
   * The first `limit` events of `scope` behind `since`, among all that were committed before the call.
   *
   * @throws UNAVAILABLE
   */
  async read(scope: OwnerScope, since: number, limit: number): Promise<EventPage> {
    await this.#lookAnew()
    return this.readKnown(scope, since, limit)
  }

  /** The same among the events up to `head`: mostly from memory. @throws UNAVAILABLE */
  async readKnown(scope: OwnerScope, since: number, limit: number): Promise<EventPage> {
    if (this.#ring.holds(since)) return this.#ring.read(scope, since, limit)
    const { head } = this
    const events = await this.#order.read(scope, since, head, limit)
    const last = events.length === limit ? events.at(-1) : undefined
    return { events, next: last?.sequence ?? Math.max(since, head) }
  }

  /** Resolves when there are events behind `after`, when `waitMs` are over, on abort, and when we close. Never rejects. */
  async changed(after: number, { waitMs, signal }: { waitMs: number; signal: AbortSignal }): Promise<void> {
    if (this.head > after || signal.aborted || this.#closing.signal.aborted) return
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#waiters.delete(waiter)
        resolve()
      }
      const waiter = { after, wake }
      const timer = setTimeout(wake, waitMs)
      signal.addEventListener('abort', wake)
      this.#waiters.add(waiter)
      void this.#poll()
    })
  }

  /** Ends every reader's wait, and looks no more by itself. What is read is still answered. */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const { wake } of [...this.#waiters]) wake()
    await this.#looking?.catch(() => {})
  }

  /** Looks regularly, as long as somebody waits. */
  async #poll(): Promise<void> {
    if (this.#isPolling) return
    this.#isPolling = true
    let pauseMs = LOOK_EVERY_MS
    const { signal } = this.#closing
    do {
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
      if (signal.aborted || this.#waiters.size === 0) break
      pauseMs = await this.#lookAnew().then(
        () => LOOK_EVERY_MS,
        () => LOOK_AGAIN_MS,
      )
    } while (this.#waiters.size > 0)
    this.#isPolling = false
  }

  /** A look that begins from now on; all who ask while another one runs share the next. Never two at once. */
  #lookAnew(): Promise<void> {
    if (this.#lookingNext !== undefined) return this.#lookingNext
    if (this.#looking === undefined) return this.#beginLook()
    this.#lookingNext = this.#looking.then(
      () => this.#beginLook(),
      () => this.#beginLook(),
    )
    return this.#lookingNext
  }

  #beginLook(): Promise<void> {
    this.#lookingNext = undefined
    const looking = this.#look().finally(() => {
      this.#looking = undefined
    })
    this.#looking = looking
    return looking
  }

  async #look(): Promise<void> {
    const { isWaiting, waitingSeconds, newest } = await this.#order.look()
    if (isWaiting) await this.#order.give()
    else if (newest <= this.head) return
    const events = await this.#order.readNewest(this.head, this.#ringEvents)
    this.#ring.append(events, { isGapless: events.length < this.#ringEvents })
    // While nobody waits, events get their place when somebody asks, however late: that is no lag.
    if (waitingSeconds !== undefined && this.#waiters.size > 0) this.#observer?.placed(waitingSeconds)
    for (const waiter of [...this.#waiters]) if (this.head > waiter.after) waiter.wake()
  }
}
