// Digests in worker threads, so that the event loop only sends and receives messages.
//
// An upload's algorithms are split in the engine's strands, which may run in different threads: on two cores one upload gets
// both. A strand stays with a thread while it has work there, which keeps its order, and moves to the least
// busy one when it has none. What a strand knows is in shared memory, so that moving costs nothing.

import { AppError } from '../errors.js'
import type { Algorithm } from './algorithm.js'
import { RunningDigest } from './digest.js'
import type { EngineName, Strand } from './engine.js'
import { chooseEngine, type EngineSeed, openEngine } from './engine-choice.js'
import type { Digests } from './finish.js'
import { Hasher } from './hasher.js'
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
  /** Default: the faster one that works here. */
  engine?: EngineSeed
}

export class DigestPool {
  readonly #seed: EngineSeed
  readonly #strands: readonly Strand[]
  readonly #hashers: (Hasher | undefined)[]
  #digestedBytes = 0
  #isClosed = false

  constructor({ threads, engine = chooseEngine() }: DigestPoolOptions) {
    this.#seed = engine
    this.#strands = openEngine(engine).strands
    this.#hashers = new Array(threads).fill(undefined)
  }

  get engine(): EngineName {
    return this.#seed.name
  }

  /** What keeps OpenSSL's functions from being used; undefined when they are. */
  get whyNoOpenSsl(): string | undefined {
    return this.#seed.name === 'webassembly' ? this.#seed.because : undefined
  }

  /**
   * A session that starts with no bytes, or goes on from `savedState`.
   *
   * @throws AppError INTERNAL when `savedState` isn't a saved state.
   */
  open(savedState?: Uint8Array): DigestSession {
    return new PooledSession(
      this.#strands,
      () => this.#leastBusy(),
      savedState,
      (bytes) => {
        this.#digestedBytes += bytes
      },
    )
  }

  /** Jobs that threads do now, jobs that wait behind them, and the bytes digested since the start. */
  load(): { running: number; waiting: number; bytes: number } {
    const counts = this.#hashers.map((hasher) => hasher?.pendingCount ?? 0)
    const running = counts.filter((count) => count > 0).length
    const jobs = counts.reduce((sum, count) => sum + count, 0)
    return { running, waiting: jobs - running, bytes: this.#digestedBytes }
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
    const started = new Hasher(this.#seed)
    this.#hashers[index] = started
    return started
  }
}

class PooledSession implements DigestSession {
  readonly #strands: readonly RunningStrand[]
  readonly #onDigested: (bytes: number) => void
  #isClosed = false

  constructor(
    strands: readonly Strand[],
    leastBusy: () => Hasher,
    savedState: Uint8Array | undefined,
    onDigested: (bytes: number) => void,
  ) {
    this.#onDigested = onDigested
    this.#strands = strands.map((strand) => new RunningStrand(strand, leastBusy, savedState))
  }

  async update(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed) throw new AppError('INTERNAL', 'The digest session is closed.')
    if (bytes.length === 0) return
    // Settled, not only failed: when one strand fails, another may still be reading.
    const absorbed = await Promise.allSettled(this.#strands.map((strand) => strand.absorb(bytes)))
    for (const strand of absorbed) if (strand.status === 'rejected') throw strand.reason
    this.#onDigested(bytes.length)
  }

  async save(): Promise<Uint8Array> {
    const saved = await Promise.all(this.#strands.map((strand) => strand.save()))
    const [state, ...others] = saved.map((bytes) => DigestState.start(new Uint8Array(STATE_BYTES), bytes))
    for (const [index, other] of others.entries()) state!.adopt(this.#strands[index + 1]!.algorithms, other)
    return state!.save()
  }

  async digests(): Promise<Digests> {
    return new RunningDigest(await this.save()).digests()
  }

  close(): void {
    this.#isClosed = true
  }
}

/** One strand's share of a session. */
class RunningStrand {
  readonly algorithms: readonly Algorithm[]
  readonly #work: number
  readonly #leastBusy: () => Hasher
  /** Only these algorithms' chaining values, the size and the tail go on. Belongs to the thread while a job is under way. */
  readonly #stateBytes: Uint8Array
  #hasher: Hasher | undefined
  #jobsUnderWay = 0
  #failure: unknown

  constructor({ algorithms, work }: Strand, leastBusy: () => Hasher, savedState: Uint8Array | undefined) {
    this.algorithms = algorithms
    this.#work = work
    this.#leastBusy = leastBusy
    this.#stateBytes = new Uint8Array(new SharedArrayBuffer(STATE_BYTES))
    DigestState.start(this.#stateBytes, savedState)
  }

  async absorb(bytes: Uint8Array): Promise<void> {
    await this.#ask({ algorithms: this.algorithms, state: this.#stateBytes, bytes })
  }

  /** With the other algorithms' chaining values as they were at the start. */
  async save(): Promise<Uint8Array> {
    if (this.#jobsUnderWay === 0 && this.#failure === undefined)
      return new DigestState(this.#stateBytes).save()
    const saved = await this.#ask({ algorithms: this.algorithms, state: this.#stateBytes })
    if (saved === null) throw new AppError('INTERNAL', 'The worker thread answered without a state.')
    return saved
  }

  async #ask(job: Job): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#jobsUnderWay === 0) this.#hasher = this.#leastBusy()
    this.#jobsUnderWay++
    try {
      return await this.#hasher!.ask(job, (job.bytes?.length ?? 0) * this.#work)
    } catch (error) {
      this.#failure = error // the state may be half-way through a block
      throw error
    } finally {
      this.#jobsUnderWay--
    }
  }
}
