// Reading an object again, for digests that couldn't be computed while its bytes came in. One object at a time, in worker
// threads, and never from the start again: how far it is, and the digests' state, are recorded on the way.

import type { Digests } from '../digests/finish.js'
import type { DigestPool, DigestSession } from '../digests/pool.js'
import type { SlabPool } from '../digests/slabs.js'
import { orAborted } from '../storage/or-aborted.js'
import type { Store } from '../storage/store.js'
import type { UploadObserver } from './observer.js'

/** Between two recordings. */
const RECORDED_BYTES = 256 * 1024 * 1024
const RECORDED_MS = 5000
/** Updates under way, each with a slab. */
const SLABS_IN_FLIGHT = 3

/** The digests' state after the first `offsetBytes` bytes. */
export interface Progress {
  offsetBytes: number
  digestState: Uint8Array
}

export interface RereadOptions {
  objectKey: string
  sizeBytes: number
  /** Where an earlier reading stopped. */
  from: Progress | null
  record: (progress: Progress) => Promise<void>
  /** Its reason is what an interrupted reading rejects with. */
  signal: AbortSignal
}

export class Rereader {
  readonly #store: Pick<Store, 'readObject'>
  readonly #digests: DigestPool
  readonly #slabs: SlabPool
  readonly #observer: UploadObserver | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    store: Pick<Store, 'readObject'>,
    digests: DigestPool,
    slabs: SlabPool,
    observer?: UploadObserver,
  ) {
    this.#observer = observer
    this.#store = store
    this.#digests = digests
    this.#slabs = slabs
  }

  /** The digests of the whole object, after those that were asked for earlier. Rejects as the store and `record` do. */
  read(options: RereadOptions): Promise<Digests> {
    const reading = this.#last.then(() => this.#read(options))
    this.#last = reading.catch(() => {})
    return reading
  }

  async #read({ objectKey, sizeBytes, from, record, signal }: RereadOptions): Promise<Digests> {
    signal.throwIfAborted()
    this.#observer?.beganReread()
    const session = this.#digests.open(from?.digestState)
    const underWay = new Set<Promise<void>>()
    let offsetBytes = from?.offsetBytes ?? 0
    let recorded = { bytes: offsetBytes, at: performance.now() }
    try {
      const rest = this.#store.readObject(objectKey, { start: offsetBytes, end: sizeBytes })
      for await (const bytes of untilAborted(rest, signal)) {
        await this.#digest(session, bytes, underWay, signal)
        offsetBytes += bytes.byteLength
        this.#observer?.reread(bytes.byteLength)
        const isDue =
          offsetBytes - recorded.bytes >= RECORDED_BYTES || performance.now() - recorded.at >= RECORDED_MS
        if (!isDue) continue
        await record({ offsetBytes, digestState: await session.save() })
        recorded = { bytes: offsetBytes, at: performance.now() }
      }
      await Promise.all(underWay)
      return await session.digests()
    } finally {
      await Promise.allSettled(underWay)
      session.close()
    }
  }

  async #digest(
    session: DigestSession,
    bytes: Uint8Array,
    underWay: Set<Promise<void>>,
    signal: AbortSignal,
  ): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) {
      if (underWay.size >= SLABS_IN_FLIGHT) await Promise.race(underWay)
      const slab = await this.#slabs.acquire(signal)
      const piece = bytes.subarray(at, at + slab.bytes.byteLength)
      slab.bytes.set(piece)
      at += piece.byteLength
      const update: Promise<void> = session.update(slab.bytes.subarray(0, piece.byteLength)).finally(() => {
        slab.release()
        underWay.delete(update)
      })
      // Its failure reaches us by the race or at the end.
      update.catch(() => {})
      underWay.add(update)
    }
  }
}

/** `items`, until `signal` aborts: it doesn't wait for one that may never come. */
async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  const iterator = items[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await orAborted(iterator.next(), signal)
      if (done) return
      yield value
    }
  } finally {
    // Not awaited: it waits for the item that is asked for.
    void iterator.return?.().catch(() => {})
  }
}
