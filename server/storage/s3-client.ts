// One bucket, and requests to it that are tried again while that makes sense. What the objects mean, and where the parts
// go, is for s3-objects.ts and s3-parts.ts.

import { setTimeout as sleep } from 'node:timers/promises'
import type { S3, S3ClientConfig } from '@aws-sdk/client-s3'
import type { S3Call } from './observed.js'
import {
  clientConfigOf,
  DEFAULT_TIMING,
  makeClient,
  type S3Settings,
  type S3Timing,
} from './s3-connection.js'
import { isPassing, symptomOf, translateS3Error } from './s3-errors.js'

export interface SendOptions {
  /** Ends it at once, with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Instead of the settings' own, e.g. one attempt for a health check. */
  timing?: Pick<Partial<S3Timing>, 'attempts' | 'giveUpMs'>
}

/** A bucket on an S3 server. One per process: it owns the connections. */
export class Bucket {
  readonly name: string
  readonly settings: S3Settings
  readonly timing: S3Timing
  /**
   * What `client` was made of, for whoever must make a client of their own (`new S3Store({ s3ClientConfig: { bucket,
   * ...bucket.clientConfig } })`); shares the connections. Such a client neither tries again nor translates.
   */
  readonly clientConfig: S3ClientConfig
  /** For use within `send`. */
  readonly client: S3

  constructor(settings: S3Settings) {
    this.name = settings.bucket
    this.settings = settings
    this.timing = { ...DEFAULT_TIMING, ...settings.timing }
    this.clientConfig = clientConfigOf(settings, this.timing)
    this.client = makeClient(this.clientConfig)
  }

  /** The key of `name` under our prefix. */
  key(name: string): string {
    return `${this.settings.prefix}/${name}`
  }

  /**
   * Does what `run` does, again if S3's trouble may have passed: broken connections, time-outs, 500, 502, 503, 504, 429.
   *
   * `run` is called anew for each attempt, must make its body anew, and give its request the `abortSignal`: that ends a
   * body still on its way when S3 has refused it already. When `send` has settled, no request uses that body any more. An
   * answer's body (GetObject) is the caller's to read or to destroy.
   *
   * Rejects with NOT_FOUND, CONFLICT, INSUFFICIENT_STORAGE or UNAVAILABLE as s3-errors.ts says, with the signal's
   * reason, or with an error that nobody foresaw.
   *
   * @param operation S3's name of it (`UploadPart`): decides what some errors mean, and stands in the log
   */
  send<T>(
    operation: string,
    run: (abortSignal: AbortSignal) => Promise<T>,
    options: SendOptions = {},
  ): Promise<T> {
    const call: S3Call = { operation, attempts: 0 }
    const { observe } = this.settings
    return observe === undefined
      ? this.#send(call, run, options)
      : observe(call, () => this.#send(call, run, options))
  }

  async #send<T>(
    call: S3Call,
    run: (abortSignal: AbortSignal) => Promise<T>,
    { signal, timing }: SendOptions,
  ): Promise<T> {
    const { attempts, giveUpMs, ...backOff } = { ...this.timing, ...timing }
    const startedAt = performance.now()
    for (let attempt = 1; ; attempt++) {
      call.attempts = attempt
      try {
        return await once(run, signal)
      } catch (error) {
        signal?.throwIfAborted()
        const symptom = symptomOf(error)
        const waitMs = backOffMs(attempt, backOff, Math.random())
        const isLast = attempt >= attempts || performance.now() - startedAt + waitMs > giveUpMs
        if (symptom === null || !isPassing(symptom) || isLast) throw translateS3Error(error, call.operation)
        await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
          signal?.throwIfAborted()
        })
      }
    }
  }

  /** As `send`, for what asks S3 nothing, and only needs credentials: signing. Nobody observes it. */
  sign<T>(run: () => Promise<T>): Promise<T> {
    return this.#send({ operation: 'Sign', attempts: 0 }, run, {})
  }

  /** Closes the connections, also those in use. */
  close(): void {
    this.client.destroy()
  }
}

/** How a copy names its source: URL-encoded, by us, since the SDK sends this header as it is given. */
export function copySource(bucket: string, key: string): string {
  return [bucket, ...key.split('/')].map(encodeURIComponent).join('/')
}

/**
 * How long to wait after the failure of attempt number `attempt`, counted from 1.
 *
 * Full jitter: anything from 0 to the bound, so that many who failed together don't come back together.
 *
 * @param random 0 to 1, exclusive
 */
export function backOffMs(
  attempt: number,
  { backOffBaseMs, backOffCapMs }: Pick<S3Timing, 'backOffBaseMs' | 'backOffCapMs'>,
  random: number,
): number {
  return random * Math.min(backOffCapMs, backOffBaseMs * 2 ** (attempt - 1))
}

/** One attempt. */
async function once<T>(run: (abortSignal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const abort = () => controller.abort(signal?.reason)
  // Not AbortSignal.any: a signal that lives long would keep every one made from it.
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await run(controller.signal)
  } catch (error) {
    // S3 may refuse before it has read the body; without this the rest of it would still be sent.
    controller.abort(error)
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
