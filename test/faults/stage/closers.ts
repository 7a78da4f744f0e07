/** What is undone in the end, the last first. */
export class Closers {
  #closers: (() => Promise<unknown>)[] = []

  add(close: () => Promise<unknown>): void {
    this.#closers.unshift(close)
  }

  /** Everything, even when something of it fails; throws what failed first. A second time there is nothing to do. */
  async closeAll(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closers.splice(0)) {
      await close().catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }
}
