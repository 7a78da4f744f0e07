/**
 * Gathers what arrives while a commit is under way into the next one.
 *
 * Each item waits for its own commit and gets its own result, so nothing is promised earlier than without it; but a
 * database that is asked once for thirty files works for a tenth of the time. One commit runs at a time.
 */
export class GroupCommit<Item, Result> {
  readonly #commit: (items: Item[]) => Promise<Result[]>
  readonly #maxItems: number
  #waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = []
  #isRunning = false

  /** @param commit all of the items, or none: what it throws, every one of them gets. Results in the items' order */
  constructor(commit: (items: Item[]) => Promise<Result[]>, maxItems: number) {
    this.#commit = commit
    this.#maxItems = maxItems
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (!this.#isRunning) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#maxItems)
      try {
        const results = await this.#commit(group.map(({ item }) => item))
        for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result)
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#isRunning = false
  }
}
