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
 * Writes an unfinished upload's bytes from one offset on.
 *
 * Bytes behind the offset it was opened at are never touched; bytes past it are overwritten.
 */
export interface TemporaryWriter {
  /** Takes `bytes` as the next ones. When it resolves, the memory may be reused; nothing is promised to be durable. */
  write(bytes: Uint8Array): Promise<void>
  /** When it resolves, every byte whose `write` had resolved survives a crash and a power loss. */
  sync(): Promise<void>
  /** Frees what it holds; idempotent. Waits for writes under way. */
  close(): Promise<void>
}

/**
 * A place that keeps bytes. Keys are ids of ours (lowercase hex), never user input.
 *
 * A missing key throws NOT_FOUND, a full store INSUFFICIENT_STORAGE, a store that doesn't answer UNAVAILABLE.
 */
export interface Store {
  /** Makes the rooms and proves that they can be written. Throws with the reason when they can't. */
  open(): Promise<void>
  /** Resolves when the store can serve; throws UNAVAILABLE when it can't. */
  check(): Promise<void>
  /** Bytes that can still be written; Infinity where the store knows no bound. */
  freeBytes(): Promise<number>

  /** An empty temporary, durable when it resolves. */
  createTemporary(key: string): Promise<void>
  /**
   * A writer that goes on at `offsetBytes`.
   *
   * NOT_FOUND when the temporary isn't there, CONFLICT when it has fewer bytes: the store has lost some.
   */
  openTemporary(key: string, offsetBytes: number): Promise<TemporaryWriter>
  /** Streams `range` of a temporary: for a digest whose state was lost. */
  readTemporary(key: string, range: ByteRange): AsyncIterable<Uint8Array>
  /** Idempotent: no error when it isn't there. */
  deleteTemporary(key: string): Promise<void>

  /**
   * Makes the temporary `key` the object `key`, of exactly `sizeBytes`; durable when it resolves.
   *
   * Idempotent: when the object is already there with that size, it resolves. Throws NOT_FOUND when neither is there,
   * CONFLICT when the bytes are fewer.
   */
  complete(key: string, sizeBytes: number): Promise<void>
  /** A whole small object at once, durable when it resolves. */
  putObject(key: string, bytes: Uint8Array): Promise<void>
  /** The first `lengthBytes` of an object, fewer when it is shorter. */
  readObjectHead(key: string, lengthBytes: number): Promise<Uint8Array>
  /** Reads a range of an object: for a digest that has to be computed again. */
  readObject(key: string, range: ByteRange): AsyncIterable<Uint8Array>
  /**
   * Sends `range` of an object to `sink` at the sink's pace; doesn't end the sink.
   *
   * Calls `beforeFirstByte` once the object is known to be there, so that a missing object can still be answered
   * as an error. Rejects when the sink closes early, or when fewer bytes than promised could be read.
   */
  sendObject(key: string, range: ByteRange, sink: Writable, beforeFirstByte: () => void): Promise<void>
  /** Idempotent: no error when it isn't there. */
  deleteObject(key: string): Promise<void>

  /** Everything in both rooms, in no order. Items that come or go meanwhile may be missed. */
  list(): AsyncIterable<StoredItem>
}
