// A list of any length, some of it at a time: what was shown stays, and more comes when it is asked for.

import { type ReadonlySignal, signal } from '@preact/signals'

export interface ShownList<Item> {
  /** Null while not even the first are there. */
  readonly items: ReadonlySignal<readonly Item[] | null>
  readonly hasMore: ReadonlySignal<boolean>
  readonly isLoading: ReadonlySignal<boolean>
  /** Why the last asking came to nothing; null: it didn't. */
  readonly error: ReadonlySignal<unknown>
  /** The first, or the next ones. After a failure: from the beginning, as many as there were. */
  more(): Promise<void>
  /** Asks for the first ones anew. */
  again(): Promise<void>
  /** Puts one in front, or in the place of the one that it is. */
  put(item: Item): void
  remove(item: Item): void
}

export interface ShownListOptions<Item> {
  /** The whole list; it is read no further than is shown. */
  open: () => AsyncGenerator<Item, void, undefined>
  /** What makes an item the same one. */
  idOf: (item: Item) => string
  step: number
}

export function createShownList<Item>({ open, idOf, step }: ShownListOptions<Item>): ShownList<Item> {
  const items = signal<readonly Item[] | null>(null)
  const hasMore = signal(false)
  const isLoading = signal(false)
  const error = signal<unknown>(null)
  let source: AsyncGenerator<Item, void, undefined> | null = null
  /** Read one further than is shown, so that it is known whether there are more. */
  let ahead: Item[] = []
  let round = 0

  async function read(wanted: number, isAnew: boolean): Promise<void> {
    round += 1
    const mine = round
    isLoading.value = true
    error.value = null
    try {
      if (isAnew || source === null) {
        source = open()
        ahead = []
      }
      const from = source
      const found = [...ahead]
      let isDone = false
      while (found.length <= wanted && !isDone) {
        const next = await from.next()
        if (mine !== round) return
        if (next.done === true) isDone = true
        else found.push(next.value)
      }
      ahead = found.slice(wanted)
      hasMore.value = ahead.length > 0
      const before = isAnew ? [] : (items.peek() ?? [])
      const known = new Set(before.map(idOf))
      items.value = [...before, ...found.slice(0, wanted).filter((item) => !known.has(idOf(item)))]
    } catch (failure) {
      if (mine !== round) return
      // A generator that has thrown is over.
      source = null
      error.value = failure
    } finally {
      if (mine === round) isLoading.value = false
    }
  }

  return {
    items,
    hasMore,
    isLoading,
    error,
    more() {
      // What two read from one source at once, one of them would lose.
      if (isLoading.peek()) return Promise.resolve()
      const shown = items.peek()?.length ?? 0
      return source === null ? read(Math.max(shown, step), true) : read(step, false)
    },
    again: () => read(Math.max(items.peek()?.length ?? 0, step), true),
    put(item) {
      const before = items.peek() ?? []
      const isKnown = before.some((one) => idOf(one) === idOf(item))
      items.value = isKnown ? before.map((one) => (idOf(one) === idOf(item) ? item : one)) : [item, ...before]
    },
    remove(item) {
      items.value = (items.peek() ?? []).filter((one) => idOf(one) !== idOf(item))
    },
  }
}
