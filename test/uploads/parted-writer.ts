// A writer in memory that gathers parts as the one on S3 does, and fails or waits where a test wants it to. Instead of
// mocks of S3: what the intake does with boundaries doesn't depend on what is behind them.

import type { Ledger, StoredPart, TemporaryWriter } from '../../server/storage/store.js'

interface Gathered {
  startBytes: number
  settle: { resolve: () => void; reject: (error: unknown) => void }
  sent: Promise<void>
}

export interface PartedWriterOptions {
  offsetBytes?: number
  /** Infinity: a writer without boundaries. */
  partBytes: number
  /** What becomes of the part or piece that begins there; its rejection is the writer's failure. */
  store?: (startBytes: number) => Promise<void>
  /** What `ready` waits for. */
  isWelcome?: (signal: AbortSignal) => Promise<void>
}

export class PartedWriter implements TemporaryWriter {
  /** Everything that was written, in order. */
  readonly received: Buffer[] = []
  readonly confirmed: Ledger[] = []
  /** The offsets at which it was synced. */
  readonly syncedAt: number[] = []
  isClosed = false
  readonly #options: PartedWriterOptions
  readonly #stored: { part: StoredPart; done: Promise<void> }[] = []
  #endBytes: number
  #gathered: Gathered | null = null
  #failure: unknown = null

  constructor(options: PartedWriterOptions) {
    this.#options = options
    this.#endBytes = options.offsetBytes ?? 0
  }

  get boundaryBytes(): number {
    const { partBytes } = this.#options
    return Number.isFinite(partBytes) ? (Math.floor(this.#endBytes / partBytes) + 1) * partBytes : partBytes
  }

  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await this.#options.isWelcome?.(signal)
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const { boundaryBytes } = this
    if (this.#endBytes + bytes.byteLength > boundaryBytes)
      throw new Error(
        `${bytes.byteLength} bytes at ${this.#endBytes} cross the boundary at ${boundaryBytes}.`,
      )
    this.received.push(Buffer.from(bytes))
    this.#gathered ??= gatherFrom(this.#endBytes)
    const { sent } = this.#gathered
    this.#endBytes += bytes.byteLength
    if (this.#endBytes === boundaryBytes) this.#send()
    return sent
  }

  async sync(): Promise<Ledger> {
    if (this.#failure !== null) throw this.#failure
    this.#send()
    this.syncedAt.push(this.#endBytes)
    const fresh = [...this.#stored]
    await Promise.all(fresh.map(({ done }) => done))
    return { multipartId: 'multipart', parts: fresh.map(({ part }) => part) }
  }

  confirm(recorded: Ledger): void {
    this.confirmed.push(recorded)
    const isNew = ({ part }: { part: StoredPart }) => !recorded.parts.includes(part)
    this.#stored.splice(0, this.#stored.length, ...this.#stored.filter(isNew))
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.#fail(new Error('closed'))
    await Promise.allSettled(this.#stored.map(({ done }) => done))
  }

  #send(): void {
    const gathered = this.#gathered
    if (gathered === null) return
    this.#gathered = null
    const { startBytes, settle } = gathered
    const done = (this.#options.store?.(startBytes) ?? Promise.resolve()).then(settle.resolve, (error) => {
      settle.reject(error)
      this.#fail(error)
      throw error
    })
    done.catch(() => {})
    const sizeBytes = this.#endBytes - startBytes
    const part: StoredPart = { kind: 'part', startBytes, sizeBytes, name: String(startBytes), etag: 'etag' }
    this.#stored.push({ part, done })
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#gathered?.settle.reject(this.#failure)
    this.#gathered = null
  }
}

function gatherFrom(startBytes: number): Gathered {
  const { promise, ...settle } = deferred()
  promise.catch(() => {})
  return { startBytes, settle, sent: promise }
}

/** A promise, and what settles it. */
export function deferred(): {
  promise: Promise<void>
  resolve: () => void
  reject: (error: unknown) => void
} {
  let resolve = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<void>((fulfil, refuse) => {
    resolve = fulfil
    reject = refuse
  })
  return { promise, resolve, reject }
}
