// The keys of whoever makes the tokens, read over the network when they are needed, and kept through an outage.

import { performance } from 'node:perf_hooks'
import { AppError } from '../errors.js'
import type { Log } from '../ops/log.js'
import { ask } from './bounded-request.js'
import { keysFitting, keysOfJwks, type VerificationKey } from './verification-key.js'

/** How long keys are believed before they are read again: one that was withdrawn checks nothing after that. */
const FRESH_MS = 10 * 60_000

/** However many unknown keys tokens name, and whether it answers or not: not more often than this. */
const COOLDOWN_MS = 30_000

/**
 * How long keys go on checking tokens while they can't be read again. An outage of the sign-in over a night must not stop
 * uploads; but who can cut us off from it mustn't keep a withdrawn key alive for ever.
 */
const MOST_STALE_MS = 24 * 3600_000

const TIMEOUT_MS = 5_000
const MOST_ANSWER_BYTES = 1024 ** 2

export interface RemoteKeysOptions {
  readonly url: string
  readonly algorithms: readonly string[] | undefined
  readonly log: Log
  /** Milliseconds of a clock that is never set. */
  readonly now?: () => number
}

export interface FoundKeys {
  readonly keys: readonly VerificationKey[]
  /** Set when a key that isn't among them may exist, since they can't be read: what to refuse with unless one fits. */
  readonly outage: AppError | undefined
}

export class RemoteKeys {
  readonly #options: Required<RemoteKeysOptions>
  #keys: readonly VerificationKey[] = []
  #readAtMs = Number.NEGATIVE_INFINITY
  #triedAtMs = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined

  constructor(options: RemoteKeysOptions) {
    this.#options = { now: () => performance.now(), ...options }
  }

  /** Those that fit the header, read again before when they are old or none has its name. Never rejects. */
  async find(header: { alg: string; kid: string | undefined }): Promise<FoundKeys> {
    const hasKey = this.#fitting(header).length > 0
    const isEnough = hasKey && this.#ageMs(this.#readAtMs) < FRESH_MS
    const mayTry = this.#ageMs(this.#triedAtMs) >= COOLDOWN_MS
    if (!isEnough && (mayTry || this.#reading !== undefined)) {
      const isAway = this.#outage() !== undefined
      // One for all who wait.
      this.#reading ??= this.#read()
      // Known to be away, it may hang, and nobody who has a key needs to wait for that.
      if (!hasKey || !isAway) await this.#reading
    }
    return { keys: this.#fitting(header), outage: this.#outage() }
  }

  #fitting(header: { alg: string; kid: string | undefined }): VerificationKey[] {
    return this.#ageMs(this.#readAtMs) < MOST_STALE_MS ? keysFitting(this.#keys, header) : []
  }

  /** Undefined unless the last attempt failed. */
  #outage(): AppError | undefined {
    if (this.#readAtMs >= this.#triedAtMs) return undefined
    return new AppError(
      'UNAVAILABLE',
      "Your token can't be checked now, since its keys can't be read. Try again.",
      {
        retryAfterSeconds: Math.max(1, (COOLDOWN_MS - this.#ageMs(this.#triedAtMs)) / 1000),
      },
    )
  }

  async #read(): Promise<void> {
    const { url, algorithms, log, now } = this.#options
    this.#triedAtMs = now()
    try {
      const { status, text } = await ask({ url, timeoutMs: TIMEOUT_MS, mostAnswerBytes: MOST_ANSWER_BYTES })
      if (status !== 200) throw new Error(`It answered ${status}.`)
      const set = keysOfJwks(text, algorithms)
      if (set === undefined) throw new Error('It answered something else than a JWK set.')
      // Such as an empty one, from a deployment that is half done.
      if (set.keys.length === 0) throw new Error(`It has no key that can be used. ${set.faults.join('; ')}`)
      if (set.faults.length > 0) log.debug({ faults: set.faults }, 'keys of AUTH_JWKS_URL that are not used')
      this.#keys = set.keys
      this.#readAtMs = this.#triedAtMs
    } catch (error) {
      log.warn({ err: error }, "the keys of AUTH_JWKS_URL can't be read; those read before go on being used")
    } finally {
      this.#reading = undefined
    }
  }

  #ageMs(sinceMs: number): number {
    return this.#options.now() - sinceMs
  }
}
