// Digests in worker threads, so that the event loop only sends and receives messages.
//
// An upload's algorithms are split in two strands, one for each kernel, which may run in different threads: on two cores one
// upload gets both. A strand stays with a thread while it has work there, which keeps its order, and moves to the least
// busy one when it has none. What a strand knows is in shared memory, so that moving costs nothing.

import { AppError } from '../errors.js'
import { type Digests, RunningDigest } from './digest.js'
import { type KernelModules, warmUpKernels } from './engine.js'
import { Hasher } from './hasher.js'
import type { KernelName } from './kernel.js'
import { DigestState, STATE_BYTES } from './state.js'
import type { Answer, Job } from './worker.js'

/** One upload's running digests. */
export interface DigestSession {
  /**
   * Digests `bytes`, which lie on a SharedArrayBuffer, after all earlier updates. Settles when they have been read and may be
   * overwritten, also when it rejects; several updates may be under way at once.
   *
   * Rejects with UNAVAILABLE when a thread died; the session is then lost, and one opened with an earlier state goes on.
   */
  update(bytes: Uint8Array): Promise<void>
  /** The state after every update so far, as RunningDigest.save makes it. Rejects as `update` does. */
  save(): Promise<Uint8Array>
  /** Of every update so far. Rejects as `update` does. */
  digests(): Promise<Digests>
  /** No more updates. Those under way still settle. Harmless when repeated. */
  close(): void
}

export interface DigestPoolOptions {
  /** At most so many worker threads, each started when there is work for it. */
  threads: number
}

export class DigestPool {
  readonly #modules: KernelModules
  readonly #hashers: (Hasher | undefined)[]
  #isClosed = false

  /** Compiles the kernels, some 100 ms, so that the first upload needn't. */
  constructor({ threads }: DigestPoolOptions) {
    this.#modules = warmUpKernels()
    this.#hashers = new Array(threads).fill(undefined)
  }

  /**
   * A session that starts with no bytes, or goes on from `savedState`.
   *
   * @throws AppError INTERNAL when `savedState` isn't a saved state.
   */
  open(savedState?: Uint8Array): DigestSession {
    return new PooledSession(() => this.#leastBusy(), savedState)
  }

  /** Refuses new work with UNAVAILABLE, finishes what is under way and ends the threads. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#hashers.map((hasher) => hasher?.stop()))
  }

  #leastBusy(): Hasher {
    if (this.#isClosed) {
      throw new AppError('UNAVAILABLE', 'The server is stopping. Resume the upload later.', {
        retryAfterSeconds: 5,
      })
    }
    const workUnits = this.#hashers.map((hasher) => (hasher?.isAlive ? hasher.pendingWorkUnits : 0))
    const index = workUnits.indexOf(Math.min(...workUnits))
    const chosen = this.#hashers[index]
    if (chosen?.isAlive) return chosen
    const started = new Hasher(this.#modules)
    this.#hashers[index] = started
    return started
  }
}

class PooledSession implements DigestSession {
  readonly #sha256: Strand
  readonly #md5AndSha1: Strand
  #isClosed = false

  constructor(leastBusy: () => Hasher, savedState: Uint8Array | undefined) {
    this.#sha256 = new Strand('sha256', leastBusy, savedState)
    this.#md5AndSha1 = new Strand('md5AndSha1', leastBusy, savedState)
  }

  async update(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed) throw new AppError('INTERNAL', 'The digest session is closed.')
    if (bytes.length === 0) return
    // Settled, not only failed: when one strand fails, the other may still be reading.
    const strands = await Promise.allSettled([this.#sha256.absorb(bytes), this.#md5AndSha1.absorb(bytes)])
    for (const strand of strands) if (strand.status === 'rejected') throw strand.reason
  }

  async save(): Promise<Uint8Array> {
    const [saved, other] = await Promise.all([this.#sha256.save(), this.#md5AndSha1.save()])
    const state = DigestState.start(new Uint8Array(STATE_BYTES), saved)
    state.adopt('md5AndSha1', DigestState.start(new Uint8Array(STATE_BYTES), other))
    return state.save()
  }

  async digests(): Promise<Digests> {
    return new RunningDigest(await this.save()).digests()
  }

  close(): void {
    this.#isClosed = true
  }
}

/** One kernel's share of a session. */
class Strand {
  readonly #kernel: KernelName
  readonly #leastBusy: () => Hasher
  /** Only this kernel's chaining values, the size and the tail go on. Belongs to the thread while a job is under way. */
  readonly #stateBytes: Uint8Array
  #hasher: Hasher | undefined
  #jobsUnderWay = 0
  #failure: unknown

  constructor(kernel: KernelName, leastBusy: () => Hasher, savedState: Uint8Array | undefined) {
    this.#kernel = kernel
    this.#leastBusy = leastBusy
    this.#stateBytes = new Uint8Array(new SharedArrayBuffer(STATE_BYTES))
    DigestState.start(this.#stateBytes, savedState)
  }

  async absorb(bytes: Uint8Array): Promise<void> {
    await this.#ask({ kernel: this.#kernel, state: this.#stateBytes, bytes })
  }

  /** With the other kernels' chaining values as they were at the start. */
  async save(): Promise<Uint8Array> {
    if (this.#jobsUnderWay === 0 && this.#failure === undefined)
      return new DigestState(this.#stateBytes).save()
    const saved = await this.#ask({ kernel: this.#kernel, state: this.#stateBytes })
    if (saved === null) throw new AppError('INTERNAL', 'The worker thread answered without a state.')
    return saved
  }

  async #ask(job: Job): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#jobsUnderWay === 0) this.#hasher = this.#leastBusy()
    this.#jobsUnderWay++
    try {
      return await this.#hasher!.ask(job)
    } catch (error) {
      this.#failure = error // the state may be half-way through a block
      throw error
    } finally {
      this.#jobsUnderWay--
    }
  }
}
