// How long to go on trying to send, and after which waits. Pure: the caller tells the time.

import { ApiError, ChecksumMismatch, Conflict, ForeignAnswer, OffsetMismatch } from './errors.js'
import { isPassing, retryDelayMs } from './retry.js'

/** A day of patience has room for three tokens of eight hours. */
const MOST_RENEWALS = 5

/** Counts from the first failure after the last byte that was acknowledged, so no sending is too long for it. */
export class Patience {
  readonly #limitMs: number
  #troubledSince: number | null = null
  #attempt = 0
  #renewals = 0

  constructor(limitSeconds: number) {
    this.#limitMs = limitSeconds * 1000
  }

  /** A byte more has been acknowledged: all waiting was worth it. */
  gained(): void {
    this.#troubledSince = null
    this.#attempt = 0
    this.#renewals = 0
  }

  /** Whether another credential is worth asking for: not for ever, when none of them brings a byte further. */
  mayRenew(): boolean {
    this.#renewals += 1
    return this.#renewals <= MOST_RENEWALS
  }

  /**
   * The wait before the next attempt; null when it would be longer than there is patience for.
   *
   * @param now of a clock in milliseconds that doesn't jump
   * @param random a number from 0 up to 1
   */
  next(error: Error, now: number, random: number): { attempt: number; delayMs: number } | null {
    this.#troubledSince ??= now
    this.#attempt += 1
    const retryAfterSeconds = error instanceof ApiError ? error.retryAfterSeconds : undefined
    const delayMs = retryDelayMs(this.#attempt, random, retryAfterSeconds)
    if (now - this.#troubledSince + delayMs > this.#limitMs) return null
    return { attempt: this.#attempt, delayMs }
  }
}

/**
 * True when bytes for an upload that is there may be taken after a wait, from the offset that HEAD tells then.
 *
 * Beyond what passes for any request, that is a quarrel about the offset (409, a code or a plain one), bytes that arrived
 * broken (460), and a page in place of the server's answer: it has answered before, so its URL isn't wrong.
 */
export function isWorthGoingOn(error: unknown): boolean {
  if (
    error instanceof ForeignAnswer ||
    error instanceof OffsetMismatch ||
    error instanceof ChecksumMismatch
  ) {
    return true
  }
  const isPlainConflict = error instanceof Conflict && error.details === undefined && error.requestId === null
  return isPlainConflict || isPassing(error)
}
