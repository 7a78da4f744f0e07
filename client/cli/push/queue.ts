// What has been found and waits for its turn: bounded, so that a walk over millions of files doesn't fill the memory.

export class Queue<Item> {
  readonly #mostItems: number
  #items: Item[] = []
  /** Of the next one; what lies before is cut off now and then. */
  #next = 0
  #isClosed = false
  #wakeTakers: (() => void)[] = []
  #wakeGivers: (() => void)[] = []

  constructor(mostItems: number) {
    this.#mostItems = mostItems
  }

  get length(): number {
    return this.#items.length - this.#next
  }

  /** Resolves when there is room for more. */
  async give(item: Item): Promise<void> {
    if (this.#isClosed) return
    this.#items.push(item)
    this.#wakeTakers.shift()?.()
    while (this.length >= this.#mostItems && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#wakeGivers.push(resolve))
    }
  }

  /** The next one; undefined when there will be none. */
  async take(): Promise<Item | undefined> {
    while (this.length === 0) {
      if (this.#isClosed) return undefined
      await new Promise<void>((resolve) => this.#wakeTakers.push(resolve))
    }
    const item = this.#items[this.#next]
    this.#next += 1
    if (this.#next > 1024 && this.#next * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#next)
      this.#next = 0
    }
    this.#wakeGivers.shift()?.()
    return item
  }

  /** No more will be given. What waits is still taken, unless it is dropped. */
  close({ isDropped = false } = {}): void {
    this.#isClosed = true
    if (isDropped) {
      this.#items = []
      this.#next = 0
    }
    for (const wake of [...this.#wakeTakers, ...this.#wakeGivers]) wake()
    this.#wakeTakers = []
    this.#wakeGivers = []
  }
}
