// The way of bytes from a socket: copied once into shared slabs, from which the store writes them and worker threads
// hash them, several slabs at a time. Knows no records: what is durable is told to `record`.

import type { Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { DigestSession } from '../digests/pool.js'
import type { Slab, SlabPool } from '../digests/slabs.js'
import { AppError, isAppError } from '../errors.js'
import type { Ledger, TemporaryWriter } from '../storage/store.js'
import { fromHere } from '../tracing/span.js'
import { Pace } from './pace.js'

/** Slabs of one upload on their way to the hash at the same time. */
const SLABS_IN_FLIGHT = 3
/** What a crash of the server may cost a client that sends everything in one request. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024
const CHECKPOINT_MS = 5000
/** The same where a checkpoint costs more than a sync: then there is one at each boundary, and this is for slow clients. */
const BOUNDARY_PATIENCE_MS = 60_000
const TICK_MS = 500
/** For a slow client's bytes while slabs are rare: a thousand of them would have all slabs, and each only a few bytes. */
const CUP_BYTES = 16 * 1024
const WORD_BYTES = 8
/** How many bytes are taken between two looks at the free space. */
const SPACE_CHECK_BYTES = 16 * 1024 * 1024

/**
 * What is durable: the first `offsetBytes` bytes, with the digests' state after them (null: to be read again), and where
 * those are that no checkpoint has named yet.
 */
export interface Checkpoint {
  offsetBytes: number
  digestState: Uint8Array | null
  stored: Ledger
}

export interface ReceiveOptions {
  writer: TemporaryWriter
  digest: DigestSession | null
  slabs: SlabPool
  offsetBytes: number
  /** The offset that the body must not pass. */
  limitBytes: number
  /** Hashes this body alone, for Upload-Checksum; nothing is recorded then before the body has been verified. */
  bodyHash: Hash | null
  record: (checkpoint: Checkpoint) => Promise<void>
  /** Rejects when the store must not take `bytes` more. */
  assertSpace: (bytes: number) => Promise<void>
  /** Asks to stop; its reason is what `stopReason` then says. */
  signal: AbortSignal
  noProgressMs: number
  /** The rate that the body keeps over each `noProgressMs` in which it is read; undefined: any. */
  leastBytesPerSecond: number | undefined
  onTrouble: (error: unknown) => void
}

export interface Reception {
  /** Everything that arrived and is durable now; `record` has not been told of it yet. */
  checkpoint: Checkpoint
  /** The body came to its own end. Otherwise it was cut, or `stopReason` says why we stopped reading. */
  isWhole: boolean
  stopReason: AppError | null
}

/**
 * Takes a body until it ends, is cut, or has to stop, and makes durable what arrived.
 *
 * Never destroys `source`: the answer to its request still has to be sent. Rejects when bytes could not be kept, or
 * must not be: then what `record` was told last is what counts.
 */
export async function receive(source: Readable, options: ReceiveOptions): Promise<Reception> {
  const intake = new Receiver(options)
  try {
    const { isWhole, stopReason } = await readBody(source, intake, options)
    return { checkpoint: await intake.finish(), isWhole, stopReason }
  } catch (error) {
    await intake.abandon()
    throw error
  }
}

class Receiver {
  readonly #options: ReceiveOptions
  /** A checkpoint is set moving by a chunk, which knows nothing of us. */
  readonly #fromHere = fromHere()
  readonly #hashing = new Set<Promise<void>>()
  readonly #writing = new Set<Promise<void>>()
  /** A slab, or a cup: then it is not the pool's. */
  #slab: Slab | null = null
  /** The slab's bytes from here on are the upload's, up to `#filledBytes`; at `#slabEnd` it is full. */
  #firstByte = 0
  #filledBytes = 0
  #slabEnd = 0
  #slabSince = 0
  /** The last slab, or cup, was full within a moment. */
  #isQuick = false
  #takenBytes: number
  #dispatchedBytes: number
  #spaceCheckedAt: number
  #checkpointing: Promise<void> | null = null
  #lastCheckpoint: { bytes: number; at: number }
  #failure: unknown = null

  constructor(options: ReceiveOptions) {
    this.#options = options
    this.#takenBytes = options.offsetBytes
    this.#dispatchedBytes = options.offsetBytes
    this.#spaceCheckedAt = options.offsetBytes
    this.#lastCheckpoint = { bytes: options.offsetBytes, at: performance.now() }
  }

  /** Takes a chunk. @returns a promise when the source must wait for it */
  take(chunk: Buffer): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure
    this.#takenBytes += chunk.byteLength
    if (this.#takenBytes > this.#options.limitBytes) throw tooLong(this.#options.limitBytes)
    const slab = this.#slab
    if (slab === null || this.#filledBytes + chunk.byteLength >= this.#slabEnd) return this.#takeAcross(chunk)
    slab.bytes.set(chunk, this.#filledBytes)
    this.#filledBytes += chunk.byteLength
    return null
  }

  /** Twice a second: a slow client's bytes don't keep a slab that others wait for, and don't go unrecorded for long. */
  tick(): void {
    const now = performance.now()
    const { slabs, writer } = this.#options
    const checkpointMs = Number.isFinite(writer.boundaryBytes) ? BOUNDARY_PATIENCE_MS : CHECKPOINT_MS
    const isDue = now - this.#lastCheckpoint.at >= checkpointMs
    const isWanted = slabs.isShort && this.#slab !== null && !isCup(this.#slab)
    if (isDue || (isWanted && now - this.#slabSince >= TICK_MS)) this.#dispatch()
    if (isDue) this.#fromHere(() => this.#startCheckpoint())
  }

  async finish(): Promise<Checkpoint> {
    this.#dispatch()
    const digestState = this.#options.digest === null ? null : this.#options.digest.save()
    // Awaited last; until then a failure of the writes is the better reason.
    digestState?.catch(() => {})
    // What the records don't have yet is named now, so a checkpoint under way comes first.
    await this.#checkpointing
    if (this.#failure !== null) throw this.#failure
    const synced = this.#options.writer.sync()
    synced.catch(() => {})
    await Promise.all([...this.#hashing, ...this.#writing])
    if (this.#failure !== null) throw this.#failure
    return { offsetBytes: this.#dispatchedBytes, digestState: await digestState, stored: await synced }
  }

  async abandon(): Promise<void> {
    this.#slab?.release()
    this.#slab = null
    await this.#options.writer.close()
    await Promise.allSettled([...this.#hashing, ...this.#writing, this.#checkpointing])
  }

  async #takeAcross(chunk: Buffer): Promise<void> {
    let rest = chunk
    while (rest.byteLength > 0) {
      if (this.#slab === null) {
        await this.#makeRoom()
        this.#slab = await this.#nextSlab(rest.byteLength)
        // Aligned as the chunk is: V8 copies to shared memory word by word then, and else byte by byte, eight times as slow.
        this.#firstByte = rest.byteOffset % WORD_BYTES
        this.#filledBytes = this.#firstByte
        const { boundaryBytes } = this.#options.writer
        this.#slabEnd = Math.min(
          this.#slab.bytes.byteLength,
          this.#firstByte + boundaryBytes - this.#dispatchedBytes,
        )
        this.#slabSince = performance.now()
      }
      const room = this.#slabEnd - this.#filledBytes
      const part = rest.byteLength > room ? rest.subarray(0, room) : rest
      this.#slab.bytes.set(part, this.#filledBytes)
      this.#filledBytes += part.byteLength
      rest = rest.subarray(part.byteLength)
      if (this.#filledBytes === this.#slabEnd) this.#dispatch()
    }
    if (this.#failure !== null) throw this.#failure
  }

  async #nextSlab(waitingBytes: number): Promise<Slab> {
    const { slabs, signal } = this.#options
    return slabs.isTight && !this.#isQuick && waitingBytes < CUP_BYTES ? newCup() : slabs.acquire(signal)
  }

  async #makeRoom(): Promise<void> {
    while (this.#hashing.size >= SLABS_IN_FLIGHT) await Promise.race(this.#hashing)
    await this.#options.writer.ready(this.#options.signal)
    if (this.#takenBytes - this.#spaceCheckedAt >= SPACE_CHECK_BYTES) {
      await this.#options.assertSpace(this.#takenBytes - this.#dispatchedBytes)
      this.#spaceCheckedAt = this.#takenBytes
    }
  }

  #dispatch(): void {
    const slab = this.#slab
    if (slab === null) return
    const bytes = slab.bytes.subarray(this.#firstByte, this.#filledBytes)
    this.#isQuick = this.#filledBytes === this.#slabEnd && performance.now() - this.#slabSince < TICK_MS
    this.#slab = null
    const { bodyHash, digest, writer } = this.#options
    const { boundaryBytes } = writer
    this.#dispatchedBytes += bytes.byteLength
    bodyHash?.update(bytes)
    const hashing = this.#track(this.#hashing, digest?.update(bytes))
    const writing = this.#track(this.#writing, writer.write(bytes))
    void Promise.all([hashing, writing]).then(() => slab.release())
    const isDue = Number.isFinite(boundaryBytes)
      ? this.#dispatchedBytes === boundaryBytes
      : this.#dispatchedBytes - this.#lastCheckpoint.bytes >= CHECKPOINT_BYTES
    if (isDue) this.#fromHere(() => this.#startCheckpoint())
  }

  /** `work`, among those under way until it settles; never rejects: its failure is the upload's. */
  #track(underWay: Set<Promise<void>>, work: Promise<void> | undefined): Promise<void> {
    const tracked = Promise.resolve(work)
      .catch((error) => {
        this.#failure ??= error
      })
      .finally(() => underWay.delete(tracked))
    underWay.add(tracked)
    return tracked
  }

  /** Records how far we are without stopping the flow; one at a time. */
  #startCheckpoint(): void {
    const { bodyHash, digest, writer, record, onTrouble, limitBytes } = this.#options
    if (bodyHash !== null || this.#checkpointing !== null) return
    if (this.#dispatchedBytes === this.#lastCheckpoint.bytes) return
    // The last byte is acknowledged by finishing, and by nothing else: a client that hears of it never comes back.
    if (this.#dispatchedBytes >= limitBytes) return
    const offsetBytes = this.#dispatchedBytes
    // Asked for now, so that it is the state after exactly the bytes dispatched so far.
    const digestState = digest === null ? null : digest.save()
    digestState?.catch(() => {})
    const hashed = Promise.all(this.#hashing)
    this.#lastCheckpoint = { bytes: offsetBytes, at: performance.now() }
    // A failed sync ends the request: the system tells of lost pages once, and the next sync would succeed without them.
    this.#checkpointing = Promise.all([writer.sync(), hashed])
      .then(async ([stored]) => {
        if (this.#failure !== null) return
        const checkpoint = { offsetBytes, digestState: await digestState, stored }
        await record(checkpoint).then(
          () => writer.confirm(stored),
          (error: unknown) => {
            // A database that is away for a moment costs a checkpoint, not the upload; a lost lease ends it.
            if (!isAppError(error, 'UNAVAILABLE')) throw error
            onTrouble(error)
          },
        )
      })
      .catch((error) => {
        this.#failure ??= error
      })
      .finally(() => {
        this.#checkpointing = null
      })
  }
}

function newCup(): Slab {
  return { bytes: new Uint8Array(new SharedArrayBuffer(CUP_BYTES)), release: () => {} }
}

function isCup({ bytes }: Slab): boolean {
  return bytes.byteLength === CUP_BYTES
}

/** Feeds the body to `receiver`, pausing the source while it has to wait. */
function readBody(
  source: Readable,
  receiver: Receiver,
  options: ReceiveOptions,
): Promise<{ isWhole: boolean; stopReason: AppError | null }> {
  return new Promise((resolve, reject) => {
    let lastChunkAt = performance.now()
    const pace = paceOf(options, lastChunkAt)
    let isWaiting: Promise<void> | null = null
    let hasEnded = false

    const settle = (act: () => void) => {
      if (hasEnded) return
      hasEnded = true
      clearInterval(ticker)
      source.pause()
      source.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
      // A request that is cut after we stopped listening must not crash the process.
      source.on('error', () => {})
      options.signal.removeEventListener('abort', onStop)
      // A chunk that still waits for memory is taken or, when we have to stop, given up before anything is counted.
      Promise.resolve(isWaiting)
        .catch((error) => {
          if (error !== options.signal.reason) throw error
        })
        .then(act, reject)
    }
    const onData = (chunk: Buffer) => {
      lastChunkAt = performance.now()
      pace?.arrived(chunk.byteLength)
      try {
        isWaiting = receiver.take(chunk)
      } catch (error) {
        settle(() => reject(error))
        return
      }
      if (isWaiting === null) return
      source.pause()
      pace?.wait(lastChunkAt)
      isWaiting.then(
        () => {
          isWaiting = null
          pace?.go(performance.now())
          if (!hasEnded) source.resume()
        },
        (error) => {
          isWaiting = null
          if (hasEnded) return
          // Full, and seen in time: what was taken so far is kept. Any other trouble leaves the last checkpoint.
          const isFull = isAppError(error, 'INSUFFICIENT_STORAGE')
          settle(() => (isFull ? resolve({ isWhole: false, stopReason: error }) : reject(error)))
        },
      )
    }
    const onEnd = () => settle(() => resolve({ isWhole: true, stopReason: null }))
    const onCut = () => settle(() => resolve({ isWhole: false, stopReason: null }))
    const onStop = () => {
      const { reason } = options.signal
      settle(() =>
        reason instanceof AppError ? resolve({ isWhole: false, stopReason: reason }) : reject(reason),
      )
    }
    const ticker = setInterval(() => {
      receiver.tick()
      // While we make the client wait, its silence is ours.
      const now = performance.now()
      if (isWaiting !== null) lastChunkAt = now
      const isStalled = now - lastChunkAt >= options.noProgressMs
      if (!isStalled && !pace?.isTooSlow(now)) return
      const stopReason = isStalled ? noProgress(options, IS_KEPT) : tooSlow(options, IS_KEPT)
      settle(() => resolve({ isWhole: false, stopReason }))
    }, TICK_MS)

    if (options.signal.aborted) {
      onStop()
      return
    }
    options.signal.addEventListener('abort', onStop, { once: true })
    if (source.readableEnded) onEnd()
    else if (source.destroyed) onCut()
    else source.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}

/**
 * Reads a short body into memory.
 *
 * @returns null when it was cut before `lengthBytes` had arrived
 * @throws REQUEST_TIMEOUT when nothing comes for `noProgressMs`, or too little
 */
export function readWhole(source: Readable, lengthBytes: number, limits: PaceLimits): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let arrivedBytes = 0
    const pace = paceOf(limits, performance.now())
    const give = (error: AppError) => {
      clearTimeout(timer)
      reject(error)
    }
    const timer = setTimeout(() => give(noProgress(limits, IS_NOT_KEPT)), limits.noProgressMs)
    const settle = (body: Buffer | null) => {
      clearTimeout(timer)
      resolve(body)
    }
    // It may have been cut while we looked at other things.
    if (source.destroyed) {
      settle(null)
      return
    }
    source.on('data', (chunk: Buffer) => {
      timer.refresh()
      chunks.push(chunk)
      arrivedBytes += chunk.byteLength
      pace?.arrived(chunk.byteLength)
      // Without a chunk the timer ends it.
      if (arrivedBytes < lengthBytes && pace?.isTooSlow(performance.now())) give(tooSlow(limits, IS_NOT_KEPT))
    })
    source.once('end', () =>
      settle(arrivedBytes === lengthBytes ? Buffer.concat(chunks, arrivedBytes) : null),
    )
    source.on('error', () => settle(null))
    source.once('close', () => settle(null))
  })
}

/** How slow a body may be. */
export type PaceLimits = Pick<ReceiveOptions, 'noProgressMs' | 'leastBytesPerSecond'>

function paceOf({ leastBytesPerSecond, noProgressMs }: PaceLimits, nowMs: number): Pace | undefined {
  return leastBytesPerSecond === undefined ? undefined : new Pace(leastBytesPerSecond, noProgressMs, nowMs)
}

function tooLong(limitBytes: number): AppError {
  return new AppError(
    'PAYLOAD_TOO_LARGE',
    `The body goes past byte ${limitBytes}, where the upload ends. Ask for the offset with HEAD.`,
  )
}

const IS_KEPT = 'What arrived is kept: ask for the offset with HEAD and resume.'
const IS_NOT_KEPT = 'Nothing of it is kept: send it again.'

function noProgress({ noProgressMs }: PaceLimits, whatNext: string): AppError {
  return new AppError(
    'REQUEST_TIMEOUT',
    `No byte arrived for ${Math.round(noProgressMs / 1000)} s. ${whatNext}`,
  )
}

function tooSlow({ noProgressMs, leastBytesPerSecond }: PaceLimits, whatNext: string): AppError {
  return new AppError(
    'REQUEST_TIMEOUT',
    `Less than ${leastBytesPerSecond} bytes a second arrived for ${Math.round(noProgressMs / 1000)} s. ${whatNext}`,
  )
}
