// The credential of every request: a key or a token, and how to come by a new one when it has ended.

import { Unauthorized } from './errors.js'

export interface Credentials {
  /** What is sent as `Authorization: Bearer`; null, or nothing, sends none. */
  current(): string | null | Promise<string | null>
  /**
   * A credential in the place of `ended`, which the server has refused; null when there is none to be had.
   *
   * May take its time: a person may have to sign in. Called once, however many requests were refused with `ended`; `signal`
   * is aborted when none of them waits any more.
   */
  renew?(ended: string | null, signal?: AbortSignal): Promise<string | null>
}

interface Renewal {
  result: Promise<string | null>
  waiting: number
  controller: AbortController
}

/** Asks for a new credential once for all requests that were refused with the same one. */
export class CurrentCredential {
  readonly #credentials: Credentials
  readonly #renewals = new Map<string | null, Renewal>()
  /** The last renewal's: `current` of the credentials need not know of it. */
  #replaced: { ended: string | null; next: string } | undefined

  constructor(credentials: Credentials) {
    this.#credentials = credentials
  }

  /** @throws Unauthorized when it can't be sent at all */
  async current(): Promise<string | null> {
    const given = await this.#credentials.current()
    const isEnded = this.#replaced !== undefined && given === this.#replaced.ended
    return sendable(isEnded ? (this.#replaced?.next ?? null) : given)
  }

  /**
   * The credential to send instead of `refused`; null when there is no other.
   *
   * @throws the signal's reason, or what `renew` throws
   */
  async after(refused: string | null, signal?: AbortSignal): Promise<string | null> {
    const now = await this.current()
    if (now !== refused) return now
    const renewal = this.#renewals.get(refused) ?? this.#begin(refused)
    renewal.waiting += 1
    try {
      return await unlessAborted(renewal.result, signal)
    } finally {
      renewal.waiting -= 1
      if (renewal.waiting === 0) {
        if (this.#renewals.get(refused) === renewal) this.#renewals.delete(refused)
        renewal.controller.abort()
      }
    }
  }

  #begin(refused: string | null): Renewal {
    const controller = new AbortController()
    const renewal = { result: this.#renew(refused, controller.signal), waiting: 0, controller }
    this.#renewals.set(refused, renewal)
    return renewal
  }

  async #renew(refused: string | null, signal: AbortSignal): Promise<string | null> {
    // What the credentials give is what they know by now, even when `refused` was a replacement of it.
    const next = (await this.#credentials.renew?.(refused, signal)) ?? null
    if (next === null || next === refused) return null
    sendable(next)
    this.#replaced = { ended: await this.#credentials.current(), next }
    if (this.#replaced.ended === next) this.#replaced = undefined
    return next
  }
}

/** A line break, as from the end of a file, would look like a broken network to whoever calls `fetch`. */
function sendable(credential: string | null): string | null {
  if (credential === null || credential === '') return null
  if (/^[\x21-\x7e]+$/.test(credential)) return credential
  const detail =
    'The key or token holds a space, a line break or something else that is never in one. Copy it anew.'
  throw new Unauthorized('UNAUTHORIZED', detail, { status: 401 })
}

/** One that never changes, or none. */
export function fixedCredential(token: string | null): Credentials {
  return { current: () => token }
}

function unlessAborted<Result>(result: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return result
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
