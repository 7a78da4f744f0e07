// What the intake asks of a place that keeps bytes. The contract test, test/storage/store-contract.ts, is run by every store.

import type { Writable } from 'node:stream'

/** Bytes `start` to `end`, both counted from 0; `end` is exclusive. */
export interface ByteRange {
  start: number
  end: number
}

/** Two rooms that nothing moves between but `complete`: what is unfinished, and what is whole. */
export type Room = 'temporary' | 'object'

export interface StoredItem {
  room: Room
  key: string
  sizeBytes: number
  modifiedAt: Date
}

/**
 * A stretch of an upload's bytes that is durable in the store.
 *
 * A `part` belongs to the multipart upload, under its number; a `piece` is an object of its own, one of those that make
 * up the tail behind the last part; an `object` is the whole upload, stored under its final name at once.
 */
export interface StoredPart {
  kind: 'part' | 'piece' | 'object'
  /** The upload's byte that it begins with, counted from 0. */
  startBytes: number
  sizeBytes: number
  /** Which one it is, in the store's own words: a part's number, a piece's name; '' for an object. */
  name: string
  /** What the store answered for it; verbatim. */
  etag: string
}

/**
 * Where an unfinished upload's acknowledged bytes are: what `sync` told of them, as the records kept it.
 *
 * The parts follow each other without a gap. A store that finds the bytes by their key alone keeps it empty.
 */
export interface Ledger {
  /** The multipart upload that the parts belong to; null before its first one. */
  multipartId: string | null
  /** In order. For a writer, those from the last `part` on are enough. */
  parts: readonly StoredPart[]
}

/** The ledger of a store that needs none, and of an upload without bytes. */
export const EMPTY_LEDGER: Ledger = { multipartId: null, parts: [] }

/**
 * Writes an unfinished upload's bytes from one offset on.
 *
 * Bytes behind the offset it was opened at are never touched; bytes past it are overwritten. A failure in the store
 * (UNAVAILABLE, NOT_FOUND, CONFLICT, INSUFFICIENT_STORAGE) rejects everything from there on: open another writer.
 */
export interface TemporaryWriter {
  /**
   * Where a sync costs least, as an offset past the bytes written so far: the end of a part. Infinity where no offset is
   * better than another.
   */
  readonly boundaryBytes: number
  /** Resolves when another `write` is welcome; rejects with the signal's reason when that aborts before. */
  ready(signal: AbortSignal): Promise<void>
  /**
   * Takes `bytes` as the next ones, not past `boundaryBytes`. When it settles, the memory may be reused; until then it must
   * stay as it is. Nothing is promised to be durable.
   */
  write(bytes: Uint8Array): Promise<void>
  /**
   * When it resolves, every byte whose `write` was called before survives a crash and a power loss. Writing may go on
   * meanwhile.
   *
   * @returns what the records have to remember, together with the offset: everything that hasn't been confirmed
   */
  sync(): Promise<Ledger>
  /** The records have what `sync` returned: what it replaces may go. */
  confirm(recorded: Ledger): void
  /** Ends writes under way, whose promises settle then, and frees what it holds; idempotent. */
  close(): Promise<void>
}

/** Where a writer begins. */
export interface TemporaryPosition {
  offsetBytes: number
  /** The size of the whole upload; null while it isn't known. */
  sizeBytes: number | null
  ledger: Ledger
}

/** A whole object that another one is made of. */
export interface ComposeSource {
  key: string
  sizeBytes: number
}

/** How many objects one may be made of: S3 has 10,000 parts, and a large source takes several. */
export const MOST_COMPOSE_SOURCES = 1000

/** How an object is to be presented by a URL of the store's own. */
export interface Presentation {
  contentType: string
  contentDisposition: string
}

/**
 * A place that keeps bytes. Keys are ids of ours (lowercase hex), never user input.
 *
 * A missing key throws NOT_FOUND, a full store INSUFFICIENT_STORAGE, a store that doesn't answer UNAVAILABLE.
 */
export interface Store {
  /** Whether its bytes are found through a ledger. */
  readonly needsLedger: boolean
  /** Whether several servers may work on it at once. */
  readonly isShared: boolean
  /** Whether `compose` works; known after `open`. */
  readonly canCompose: boolean

  /** Makes the rooms and proves that they can be written. Throws with the reason when they can't. */
  open(): Promise<void>
  /** Resolves when the store can serve; throws UNAVAILABLE when it can't. */
  check(): Promise<void>
  /** Bytes that can still be written; Infinity where the store knows no bound. */
  freeBytes(): Promise<number>

  /** Room for a new temporary, durable when it resolves. */
  createTemporary(key: string): Promise<void>
  /**
   * A writer that goes on at `offsetBytes`, behind what `ledger` names.
   *
   * NOT_FOUND or CONFLICT when the store has lost some of these bytes, and can tell without asking far; otherwise the
   * writer or `complete` says so.
   */
  openTemporary(key: string, at: TemporaryPosition): Promise<TemporaryWriter>
  /**
   * Whether the bytes up to `offsetBytes`, which `ledger` names, are still there, in the temporary or as the object that it has
   * become. By names and sizes: nothing is read.
   */
  holds(key: string, position: TemporaryPosition): Promise<boolean>
  /** Everything of a temporary, recorded or not. Idempotent: no error when there is nothing. */
  deleteTemporary(key: string): Promise<void>

  /**
   * Makes the temporary `key` the object `key`, of exactly `sizeBytes`; durable when it resolves.
   *
   * Idempotent: when the object is already there with that size, it resolves. Throws NOT_FOUND when neither is there,
   * CONFLICT when the bytes are not those of the ledger, or fewer.
   */
  complete(key: string, sizeBytes: number, ledger: Ledger): Promise<void>
  /**
   * Makes the object `key`, that has no temporary, of whole objects, one behind the other; durable when it resolves.
   *
   * The sources stay. One may come twice, or be empty. Idempotent: when the object is already there with their size, it
   * resolves. What was interrupted is begun anew; until then `deleteTemporary(key)` clears what it left.
   *
   * Throws NOT_FOUND when a source is missing, CONFLICT when one has another size, and the reason of `signal` when that aborts.
   *
   * @param sources at most `MOST_COMPOSE_SOURCES`
   */
  compose(key: string, sources: readonly ComposeSource[], signal?: AbortSignal): Promise<void>
  /** A whole small object at once, durable when it resolves. */
  putObject(key: string, bytes: Uint8Array): Promise<void>
  /** The first `lengthBytes` of an object, fewer when it is shorter, and how long it is. */
  readObjectHead(key: string, lengthBytes: number): Promise<{ head: Uint8Array; sizeBytes: number }>
  /** Reads a range of an object: for a digest that has to be computed again. */
  readObject(key: string, range: ByteRange): AsyncIterable<Uint8Array>
  /**
   * Sends `range` of an object to `sink` at the sink's pace; doesn't end the sink.
   *
   * Calls `beforeFirstByte` once the object is known to be there, so that a missing object can still be answered
   * as an error. Rejects when the sink closes early, or when fewer bytes than promised could be read.
   */
  sendObject(key: string, range: ByteRange, sink: Writable, beforeFirstByte: () => void): Promise<void>
  /**
   * A URL at which the store itself serves the object for `seconds`; null where a store has none. Doesn't look whether the
   * object is there.
   */
  objectUrl(key: string, seconds: number, presentation: Presentation): Promise<string | null>
  /** Idempotent: no error when it isn't there. */
  deleteObject(key: string): Promise<void>

  /** Memory for bytes on their way is short: what waits in writers is stored early, where that frees some. */
  relieveMemory(): void
  /** Ends connections; nothing may be under way. */
  close(): Promise<void>

  /** Everything in both rooms, in no order; a temporary maybe several times. Items that come or go meanwhile may be missed. */
  list(): AsyncIterable<StoredItem>
}
