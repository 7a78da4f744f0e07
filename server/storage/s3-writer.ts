// Writes one unfinished upload to S3: gathers parts in memory, sends several at a time, and keeps a tail of pieces for what
// must be durable before a part is full. Asks S3 for nothing that the ledger can tell.
//
// A piece is never written over and never deleted before what replaces it is stored and recorded: whoever reads the ledger,
// at any instant, finds every byte that it names.

import { randomBytes } from 'node:crypto'
import { AppError } from '../errors.js'
import { fromHere, traced } from '../tracing/span.js'
import { orAborted } from './or-aborted.js'
import type { PartBuffer, PartMemory } from './part-memory.js'
import { joinFrom, nextPartBytes } from './part-plan.js'
import type { Body, S3Parts } from './s3-parts.js'
import type { Ledger, StoredPart, TemporaryPosition, TemporaryWriter } from './store.js'

/** Parts and pieces of one upload on their way at a time. More fill the memory, not the line. */
const SENDING_AT_ONCE = 3

/** A stretch of the upload that is stored, or on its way. */
interface Stretch extends Omit<StoredPart, 'etag'> {
  /** Never an unhandled rejection: a failure is the writer's. */
  readonly stored: Promise<StoredPart>
  isConfirmed: boolean
  /** The pieces that it replaces, which go when the records know of it. */
  replaces: Stretch[]
}

/** Bytes that wait in memory to be sent together. */
interface Gathered {
  readonly startBytes: number
  readonly views: Uint8Array[]
  sizeBytes: number
  heldBytes: number
  /** Settles with the stretch that they become. */
  readonly sent: Promise<void>
  readonly settle: { resolve: () => void; reject: (error: unknown) => void }
}

export interface S3WriterOptions {
  key: string
  parts: S3Parts
  memory: PartMemory
  /** The most that one upload gathers; a larger part is stored in pieces first. */
  mostGatheredBytes: number
}

export class S3Writer implements TemporaryWriter, PartBuffer {
  readonly #options: S3WriterOptions
  readonly #sizeBytes: number | null
  readonly #stopping = new AbortController()
  readonly #sending = new Set<Promise<unknown>>()
  readonly #cleaning = new Set<Promise<void>>()
  /** What is sent belongs to who opened us, whoever's bytes or need set it moving. */
  readonly #fromOpening = fromHere()
  /** From the last confirmed part on, in order. */
  #stretches: Stretch[]
  #multipart: Promise<string> | null
  #partCount: number
  #lastPartBytes: number
  /** The part that is being filled, and where it is to end. */
  #partStart: number
  #partEnd: number
  #endBytes: number
  #gathered: Gathered | null = null
  #failure: unknown = null

  /** @throws CONFLICT when the ledger doesn't add up to the offset */
  constructor({ offsetBytes, sizeBytes, ledger }: TemporaryPosition, options: S3WriterOptions) {
    const last = ledger.parts.at(-1)
    const ledgerEnd = last === undefined ? 0 : last.startBytes + last.sizeBytes
    if (ledgerEnd !== offsetBytes) {
      throw new AppError('CONFLICT', `The ledger has ${ledgerEnd} of ${offsetBytes} acknowledged bytes.`)
    }
    this.#options = options
    this.#sizeBytes = sizeBytes
    this.#endBytes = offsetBytes
    this.#multipart = ledger.multipartId === null ? null : Promise.resolve(ledger.multipartId)
    const lastPart = ledger.parts.findLast((part) => part.kind === 'part')
    this.#partCount = lastPart === undefined ? 0 : Number(lastPart.name)
    this.#lastPartBytes = lastPart?.sizeBytes ?? 0
    this.#partStart = lastPart === undefined ? 0 : lastPart.startBytes + lastPart.sizeBytes
    this.#stretches = ledger.parts
      .filter((part) => part.kind === 'piece')
      .map((part) => ({ ...part, stored: Promise.resolve(part), isConfirmed: true, replaces: [] }))
    this.#partEnd = this.#planPart()
  }

  get boundaryBytes(): number {
    const gatheredFrom = this.#gathered?.startBytes ?? this.#endBytes
    return Math.min(
      this.#partEnd,
      gatheredFrom + this.#options.mostGatheredBytes,
      this.#sizeBytes ?? Number.POSITIVE_INFINITY,
    )
  }

  get heldBytes(): number {
    return this.#gathered?.heldBytes ?? 0
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (this.#sending.size >= SENDING_AT_ONCE) await orAborted(Promise.race(this.#sending), signal)
    const turn = this.#options.memory.open(this, this.boundaryBytes - this.#endBytes)
    if (turn !== null) await orAborted(turn, signal)
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const { boundaryBytes } = this
    // What was on its way here when its buffer was sent early begins one anew.
    this.#options.memory.hold(this, boundaryBytes - this.#endBytes)
    this.#gathered ??= gatherFrom(this.#endBytes)
    const { sent, views } = this.#gathered
    views.push(bytes)
    this.#gathered.sizeBytes += bytes.byteLength
    // What is lent to us is the whole buffer, however little of it is filled.
    this.#gathered.heldBytes += bytes.buffer.byteLength
    this.#endBytes += bytes.byteLength
    if (this.#endBytes === boundaryBytes) this.#send()
    return sent
  }

  spill(): void {
    this.#send()
  }

  async sync(): Promise<Ledger> {
    if (this.#failure !== null) throw this.#failure
    this.#send()
    const fresh = this.#stretches.filter((stretch) => !stretch.isConfirmed)
    const parts = await Promise.all(fresh.map(({ stored }) => stored))
    const hasParts = parts.some(({ kind }) => kind === 'part')
    return { multipartId: hasParts ? await this.#multipart : null, parts }
  }

  confirm(recorded: Ledger): void {
    for (const { kind, name } of recorded.parts) {
      const stretch = this.#stretches.find((one) => one.kind === kind && one.name === name)
      if (stretch === undefined) continue
      stretch.isConfirmed = true
      for (const piece of stretch.replaces) this.#clean(piece)
      stretch.replaces = []
    }
    this.#stretches = this.#stretches.filter(({ kind, isConfirmed }) => kind === 'piece' || !isConfirmed)
  }

  async close(): Promise<void> {
    const closed = new AppError(
      'UNAVAILABLE',
      'The upload was interrupted. Ask for its offset with HEAD and resume.',
    )
    this.#fail(closed)
    this.#options.memory.leave(this)
    this.#stopping.abort(closed)
    await Promise.allSettled([...this.#sending, ...this.#cleaning])
  }

  /** Nothing is sent any more: what is behind a gap would be of no use. */
  #fail(error: unknown): void {
    this.#failure ??= error
    this.#gathered?.settle.reject(this.#failure)
    this.#gathered = null
  }

  /** Where the part that begins now is to end: behind what its tail has already. */
  #planPart(): number {
    const partBytes = nextPartBytes({
      partCount: this.#partCount,
      positionBytes: this.#partStart,
      lastPartBytes: this.#lastPartBytes,
      sizeBytes: this.#sizeBytes,
    })
    // A length that is told late may ask for smaller parts than the one that is half full.
    const isOverfull = this.#partStart + partBytes <= this.#endBytes
    return isOverfull ? this.#endBytes + partBytes : this.#partStart + partBytes
  }

  /** Sends what is gathered, as what it makes: the whole object, a part, or a piece of the tail. */
  #send(): void {
    const gathered = this.#gathered
    if (gathered === null) return
    const tail = this.#stretches.filter(({ kind }) => kind === 'piece')
    const isLast = this.#endBytes === this.#sizeBytes
    if (isLast && this.#partCount === 0) {
      this.#start(gathered, tail, { kind: 'object', name: '' })
    } else if (isLast || this.#endBytes === this.#partEnd) {
      this.#partCount += 1
      this.#start(gathered, tail, { kind: 'part', name: String(this.#partCount) })
      this.#lastPartBytes = this.#endBytes - this.#partStart
      this.#partStart = this.#endBytes
      this.#partEnd = this.#planPart()
    } else {
      const from = joinFrom(
        tail.map((piece) => piece.sizeBytes),
        gathered.sizeBytes,
      )
      const name = `${String(gathered.startBytes).padStart(14, '0')}-${randomBytes(8).toString('hex')}`
      this.#start(gathered, tail.slice(from), { kind: 'piece', name })
    }
  }

  #start(gathered: Gathered, joined: Stretch[], { kind, name }: Pick<StoredPart, 'kind' | 'name'>): void {
    const startBytes = joined[0]?.startBytes ?? gathered.startBytes
    const sizeBytes = this.#endBytes - startBytes
    const release = this.#options.memory.send(this)
    this.#gathered = null
    const stretch = { kind, name, startBytes, sizeBytes }
    const sent = this.#fromOpening(() =>
      traced('store.part', partOf(this.#options.key, stretch), () => this.#store(stretch, joined, gathered)),
    )
    const stored = sent.finally(() => {
      release()
      this.#sending.delete(stored)
    })
    this.#sending.add(stored)
    stored.then(gathered.settle.resolve, (error) => {
      gathered.settle.reject(error)
      this.#fail(error)
    })
    const replaces = joined.flatMap((piece) => [piece, ...piece.replaces])
    this.#stretches = this.#stretches.filter((one) => !joined.includes(one))
    this.#stretches.push({ ...stretch, stored, isConfirmed: false, replaces })
  }

  async #store(
    stretch: Omit<StoredPart, 'etag'>,
    joined: readonly Stretch[],
    gathered: Gathered,
  ): Promise<StoredPart> {
    const { key, parts } = this.#options
    const { signal } = this.#stopping
    const pieces = await Promise.all(joined.map(({ stored }) => stored))
    const body: Body = { key, sizeBytes: stretch.sizeBytes, pieces, views: gathered.views }
    if (stretch.kind === 'object') return { ...stretch, etag: await parts.putObject(body, signal) }
    if (stretch.kind === 'piece')
      return { ...stretch, etag: await parts.putPiece(stretch.name, body, signal) }
    this.#multipart ??= parts.createMultipart(key, signal)
    const multipartId = await this.#multipart
    return { ...stretch, etag: await parts.putPart(multipartId, Number(stretch.name), body, signal) }
  }

  #clean(piece: Stretch): void {
    // What can't be deleted now goes with the rest of the temporary, or by the sweep.
    const cleaning = this.#options.parts
      .deletePiece(this.#options.key, piece.name)
      .catch(() => {})
      .finally(() => this.#cleaning.delete(cleaning))
    this.#cleaning.add(cleaning)
  }
}

/** What a span tells of it. */
function partOf(
  key: string,
  { kind, startBytes, sizeBytes }: Omit<StoredPart, 'etag'>,
): Record<string, string | number> {
  return {
    'antipasto.upload.id': key,
    'antipasto.part.kind': kind,
    'antipasto.part.start_bytes': startBytes,
    'antipasto.size_bytes': sizeBytes,
  }
}

function gatherFrom(startBytes: number): Gathered {
  let settle: Gathered['settle'] = { resolve: () => {}, reject: () => {} }
  const sent = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Whoever wrote hears of it by `write`; when nobody listens any more, nothing is wrong.
  sent.catch(() => {})
  return { startBytes, views: [], sizeBytes: 0, heldBytes: 0, sent, settle }
}
