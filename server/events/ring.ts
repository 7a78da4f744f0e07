// The newest events, in memory: what nearly every reader asks for. Pure.

import { type OwnerScope, owns } from '../auth/owner-scope.js'
import type { EventRecord } from './event.js'

export interface EventPage {
  /** In order. */
  events: EventRecord[]
  /** All events up to this sequence were looked at: where the next page begins. Never before where this one began. */
  next: number
}

/** A stretch of the order without a hole: every event from behind `floor` up to `head`. */
export class EventRing {
  readonly #capacity: number
  #events: EventRecord[] = []
  #floor = 0
  #head = 0

  /** @param capacity how many events it holds at most */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get head(): number {
    return this.#head
  }

  /** Whether everything behind `since` is here. */
  holds(since: number): boolean {
    return since >= this.#floor
  }

  /**
   * Takes in the newest events, in order.
   *
   * @param isGapless false: there may be others between `head` and these, so what was here is given up
   */
  append(events: readonly EventRecord[], { isGapless }: { isGapless: boolean }): void {
    const [first, last] = [events[0], events.at(-1)]
    if (first === undefined || last === undefined) return
    if (!isGapless) {
      this.#events = []
      this.#floor = first.sequence - 1
    }
    this.#events.push(...events)
    this.#head = last.sequence
    const dropped = this.#events.splice(0, Math.max(0, this.#events.length - this.#capacity))
    this.#floor = dropped.at(-1)?.sequence ?? this.#floor
  }

  /** At most `limit` events of `scope` behind `since`. Only when it `holds(since)`. */
  read(scope: OwnerScope, since: number, limit: number): EventPage {
    const events: EventRecord[] = []
    for (let place = this.#placeBehind(since); place < this.#events.length; place += 1) {
      const event = this.#events[place]
      if (event === undefined || !owns(scope, event.owner)) continue
      events.push(event)
      if (events.length === limit) return { events, next: event.sequence }
    }
    return { events, next: Math.max(since, this.#head) }
  }

  /** Where the first event behind `since` is, by bisection. */
  #placeBehind(since: number): number {
    let [low, high] = [0, this.#events.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#events[middle]?.sequence ?? 0) <= since) low = middle + 1
      else high = middle
    }
    return low
  }
}
