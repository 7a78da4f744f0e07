// Which request of a file is the one that counts: one that waited for a key may be long forgotten when the key comes.

export class Turns {
  readonly #ofFile = new Map<string, number>()
  #ofAll = 0

  /** Another one after each pause, resumption or removal. */
  of(fileId: string): string {
    return `${this.#ofAll}:${this.#ofFile.get(fileId) ?? 0}`
  }

  next(fileId: string): void {
    this.#ofFile.set(fileId, (this.#ofFile.get(fileId) ?? 0) + 1)
  }

  nextOfAll(): void {
    this.#ofAll += 1
  }
}
