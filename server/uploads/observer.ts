// Who wants to know what happens to uploads: figures for operators. Whoever observes must be quick, and never throws.

import type { ErrorCode } from '../errors.js'

export interface UploadObserver {
  /** A body is about to be read. @returns to be called when what it brought is recorded, or was given up */
  beginBody(): () => void
  /** So many bytes more are durable and recorded: nobody is asked for them again. */
  acknowledged(bytes: number): void
  /** On the event loop, instead of in a thread. */
  digestedInline(bytes: number): void
  /** An upload came to its end: it is ready, or failed for a reason. */
  finished(outcome: 'ready' | ErrorCode): void
  /** An object has to be read again for its digests. */
  beganReread(): void
  reread(bytes: number): void
}

/** One body on its way, as the observer is told of it. */
export class ObservedBody {
  readonly #observer: UploadObserver | undefined
  readonly #end: (() => void) | undefined
  #acknowledgedBytes: number

  /** @param offsetBytes where the body begins in its upload */
  constructor(observer: UploadObserver | undefined, offsetBytes: number) {
    this.#observer = observer
    this.#acknowledgedBytes = offsetBytes
    this.#end = observer?.beginBody()
  }

  /** The upload's first `offsetBytes` bytes are durable and recorded. */
  acknowledge(offsetBytes: number): void {
    this.#observer?.acknowledged(offsetBytes - this.#acknowledgedBytes)
    this.#acknowledgedBytes = offsetBytes
  }

  end(): void {
    this.#end?.()
  }
}
