// Doing again what failed for a passing reason, in the name of one sending.

import type { Wait } from './connection.js'
import type { CurrentCredential } from './credentials.js'
import type { ApiError } from './errors.js'
import type { Patience } from './patience.js'
import { sleep } from './sleep.js'

/** The server says that this credential has ended; `refusal` is what to throw when there is no other. */
export class SignInEnded extends Error {
  readonly refusal: ApiError
  readonly credential: string | null
  /** Whether anything has succeeded since the one before ended: then there was a good one in between. */
  readonly isAfterSuccess: boolean

  constructor(refusal: ApiError, credential: string | null, isAfterSuccess: boolean) {
    super(refusal.message)
    this.refusal = refusal
    this.credential = credential
    this.isAfterSuccess = isAfterSuccess
  }
}

/** Something on this side failed: the source, or what the caller does with our news. Never tried again. */
export class LocalFault extends Error {
  constructor(cause: unknown) {
    super('Something on this side failed.', { cause })
  }
}

export interface Persistence {
  patience: Patience
  credential: CurrentCredential
  isWorthwhile: (error: unknown) => boolean
  onWait: ((wait: Wait) => void) | undefined
  signal: AbortSignal | undefined
}

/** What `attempt` answers at last. A credential that has ended is replaced at once, but not by one that is no good itself. */
export async function persist<Result>(
  attempt: () => Promise<Result>,
  { patience, credential, isWorthwhile, onWait, signal }: Persistence,
): Promise<Result> {
  let isRenewed = false
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof LocalFault) throw error.cause
      if (error instanceof SignInEnded) {
        if ((isRenewed && !error.isAfterSuccess) || !patience.mayRenew()) throw error.refusal
        if ((await credential.after(error.credential, signal)) === null) throw error.refusal
        isRenewed = true
        continue
      }
      isRenewed = false
      if (!(error instanceof Error) || !isWorthwhile(error)) throw error
      const wait = patience.next(error, performance.now(), Math.random())
      if (wait === null) throw error
      onWait?.({ error, ...wait })
      await sleep(wait.delayMs, signal)
    }
  }
}
