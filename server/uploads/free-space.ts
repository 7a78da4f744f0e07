import { AppError } from '../errors.js'
import type { Store } from '../storage/store.js'

const FRESH_MS = 500

/** Keeps `minFreeBytes` of the store free: a full disk would take the database down with it. */
export class FreeSpace {
  readonly #store: Store
  readonly #minFreeBytes: number
  #measured: { bytes: Promise<number>; at: number } | null = null

  constructor(store: Store, minFreeBytes: number) {
    this.#store = store
    this.#minFreeBytes = minFreeBytes
  }

  /** @throws INSUFFICIENT_STORAGE when `bytes` more would leave too little; asked of the store twice a second at most */
  async assertRoomFor(bytes: number): Promise<void> {
    const freeBytes = await this.#freeBytes()
    if (freeBytes - bytes >= this.#minFreeBytes) return
    throw new AppError(
      'INSUFFICIENT_STORAGE',
      'The store has too little room for this file. What was acknowledged is kept: try again when the operator has made room.',
      { details: { free_bytes: Math.max(0, freeBytes - this.#minFreeBytes) } },
    )
  }

  #freeBytes(): Promise<number> {
    const now = performance.now()
    if (this.#measured === null || now - this.#measured.at > FRESH_MS) {
      const bytes = this.#store.freeBytes()
      bytes.catch(() => {
        this.#measured = null
      })
      this.#measured = { bytes, at: now }
    }
    return this.#measured.bytes
  }
}
