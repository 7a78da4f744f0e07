// The seam at which whoever measures or traces sees what the store is asked for, and what it asks of S3. Knows neither.

import type { Writable } from 'node:stream'
import { isAppError } from '../errors.js'
import type { Store, TemporaryWriter } from './store.js'

/** One call to the store. `write` and `sync` are the writer's, the others the store's own. */
export interface StoreCall {
  readonly operation:
    | 'check'
    | 'createTemporary'
    | 'openTemporary'
    | 'write'
    | 'sync'
    | 'deleteTemporary'
    | 'complete'
    | 'compose'
    | 'putObject'
    | 'readObjectHead'
    | 'sendObject'
    | 'objectUrl'
    | 'deleteObject'
  /** Null where the call is about no object of its own. */
  readonly key: string | null
  /** How many bytes it is about; null where that isn't known, or none are. */
  readonly sizeBytes: number | null
}

/** One request to S3, with all its attempts. */
export interface S3Call {
  /** S3's name of it: `UploadPart`. */
  readonly operation: string
  /** So far: final when it has settled. */
  attempts: number
}

/** Stands around a call: runs `run` exactly once, and settles as it does. */
export type Observer<Call> = <T>(call: Call, run: () => Promise<T>) => Promise<T>

/** All of `observers` as one: the first stands outermost. None: undefined. */
export function together<Call>(observers: readonly Observer<Call>[]): Observer<Call> | undefined {
  const [first, ...others] = observers
  const inner = first === undefined ? undefined : together(others)
  if (first === undefined || inner === undefined) return first
  return (call, run) => first(call, () => inner(call, run))
}

/**
 * `store`, with `observe` around its calls. Reading and listing, which are as long as who asks takes, go past it; sending is as
 * long as its receiver takes, and an AbortError when that hangs up.
 */
export function observedStore(store: Store, observe: Observer<StoreCall>): Store {
  const around = <T>(
    operation: StoreCall['operation'],
    key: string | null,
    sizeBytes: number | null,
    run: () => Promise<T>,
  ): Promise<T> => observe({ operation, key, sizeBytes }, run)

  return {
    needsLedger: store.needsLedger,
    isShared: store.isShared,
    get canCompose() {
      return store.canCompose
    },
    open: () => store.open(),
    check: () => around('check', null, null, () => store.check()),
    freeBytes: () => store.freeBytes(),
    createTemporary: (key) => around('createTemporary', key, null, () => store.createTemporary(key)),
    openTemporary: async (key, at) => {
      const writer = await around('openTemporary', key, null, () => store.openTemporary(key, at))
      return observedWriter(writer, (operation, sizeBytes, run) => around(operation, key, sizeBytes, run))
    },
    holds: (key, position) => store.holds(key, position),
    deleteTemporary: (key) => around('deleteTemporary', key, null, () => store.deleteTemporary(key)),
    complete: (key, sizeBytes, ledger) =>
      around('complete', key, sizeBytes, () => store.complete(key, sizeBytes, ledger)),
    compose: (key, sources, signal) =>
      around('compose', key, sizeOf(sources), () => store.compose(key, sources, signal)),
    putObject: (key, bytes) => around('putObject', key, bytes.byteLength, () => store.putObject(key, bytes)),
    readObjectHead: (key, lengthBytes) =>
      around('readObjectHead', key, lengthBytes, () => store.readObjectHead(key, lengthBytes)),
    readObject: (key, range) => store.readObject(key, range),
    sendObject: (key, range, sink, beforeFirstByte) =>
      around('sendObject', key, range.end - range.start, () =>
        store.sendObject(key, range, sink, beforeFirstByte).catch(unlessHungUp(sink)),
      ),
    objectUrl: (key, seconds, presentation) =>
      around('objectUrl', key, null, () => store.objectUrl(key, seconds, presentation)),
    deleteObject: (key) => around('deleteObject', key, null, () => store.deleteObject(key)),
    relieveMemory: () => store.relieveMemory(),
    close: () => store.close(),
    list: () => store.list(),
  }
}

function observedWriter(
  writer: TemporaryWriter,
  around: <T>(operation: 'write' | 'sync', sizeBytes: number | null, run: () => Promise<T>) => Promise<T>,
): TemporaryWriter {
  return {
    get boundaryBytes() {
      return writer.boundaryBytes
    },
    ready: (signal) => writer.ready(signal),
    write: (bytes) => around('write', bytes.byteLength, () => writer.write(bytes)),
    sync: () => around('sync', null, () => writer.sync()),
    confirm: (recorded) => writer.confirm(recorded),
    close: () => writer.close(),
  }
}

/** Whoever hangs up has had enough: that is no failure of the store. */
function unlessHungUp(sink: Writable): (error: unknown) => never {
  return (error) => {
    if (!sink.destroyed || isAppError(error)) throw error
    throw Object.assign(new Error('The receiver hung up.', { cause: error }), { name: 'AbortError' })
  }
}

function sizeOf(sources: readonly { sizeBytes: number }[]): number {
  return sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
