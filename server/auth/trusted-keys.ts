// Believes for a while what the database says of a key, so that not every request has to ask.

import { performance } from 'node:perf_hooks'
import type { Identity } from './identity.js'

/** How long a key that was found may be believed: a revocation holds on every other instance after as long. */
const TRUST_MILLISECONDS = 5_000

/** Bounds what the memory can take. */
const MOST_TRUSTED_KEYS = 10_000

export interface FoundKey {
  identity: Identity
  /** Infinity: never expires. */
  leftMs: number
}

/** Undefined: nobody's, expired or revoked. */
export type FindKey = (keyHash: string) => Promise<FoundKey | undefined>

export class TrustedKeys {
  readonly #find: FindKey
  readonly #trusted = new Map<string, { identity: Identity; untilMs: number }>()
  readonly #asking = new Map<string, Promise<Identity | undefined>>()

  constructor(find: FindKey) {
    this.#find = find
  }

  /** Asks once for many requests with one key. */
  async identify(keyHash: string): Promise<Identity | undefined> {
    const known = this.#trusted.get(keyHash)
    if (known !== undefined && performance.now() < known.untilMs) return known.identity
    const running = this.#asking.get(keyHash)
    if (running !== undefined) return running
    const asked: Promise<Identity | undefined> = this.#ask(keyHash, () => this.#asking.get(keyHash) === asked)
    this.#asking.set(keyHash, asked)
    return asked
  }

  /** From now on nobody is told what was known of the key before, nor what is just being asked. */
  forget(keyHash: string): void {
    this.#trusted.delete(keyHash)
    this.#asking.delete(keyHash)
  }

  async #ask(keyHash: string, isWanted: () => boolean): Promise<Identity | undefined> {
    const askedAtMs = performance.now()
    try {
      const found = await this.#find(keyHash)
      if (isWanted()) this.#learn(keyHash, found, askedAtMs)
      return found?.identity
    } finally {
      if (isWanted()) this.#asking.delete(keyHash)
    }
  }

  #learn(keyHash: string, found: FoundKey | undefined, askedAtMs: number): void {
    if (found === undefined) {
      this.#trusted.delete(keyHash)
      return
    }
    if (this.#trusted.size >= MOST_TRUSTED_KEYS) this.#trusted.clear()
    const untilMs = askedAtMs + Math.min(TRUST_MILLISECONDS, found.leftMs)
    this.#trusted.set(keyHash, { identity: found.identity, untilMs })
  }
}
