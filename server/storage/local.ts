// The local disk as a store, built on @tus/file-store.
//
// Kept from FileStore: its folder, the check that a key stays inside it, and the creation of an empty file.
// Replaced: `write` (one thread-pool write per 64 KiB, nothing synced before it is acknowledged), `remove` (turns every
// failure into 404), `getUpload` and its JSON files (the offset is the file's size, which counts bytes that nobody
// acknowledged; the record in Postgres is the truth) and `deleteExpired` (deletes finished uploads too).
// See test/tus-pitfalls/file-store.test.ts.

import { createReadStream } from 'node:fs'
import {
  access,
  constants,
  type FileHandle,
  mkdir,
  open,
  opendir,
  rename,
  rm,
  stat,
  statfs,
} from 'node:fs/promises'
import path from 'node:path'
import type { Writable } from 'node:stream'
import { FileStore, MemoryConfigstore } from '@tus/file-store'
import { Upload as TusUpload } from '@tus/server'
import { AppError } from '../errors.js'
import { composeFile } from './compose-file.js'
import { FolderSync } from './folder-sync.js'
import { assertKey, isKey } from './key.js'
import { sendFile } from './send-file.js'
import {
  type ByteRange,
  type ComposeSource,
  EMPTY_LEDGER,
  type Ledger,
  type Presentation,
  type Room,
  type Store,
  type StoredItem,
  type TemporaryPosition,
  type TemporaryWriter,
} from './store.js'
import { writeAll } from './write-all.js'

/** How many writes of one upload the disk has at a time: more only wait for each other, at the file's lock. */
const WRITES_UNDER_WAY = 3

export class LocalStore implements Store {
  readonly needsLedger = false
  /** A rename and a folder's fsync tie it to one machine, its leases to one process. */
  readonly isShared = false
  readonly canCompose = true
  readonly #folders: Record<Room, string>
  /** Made by `open`, in a folder that is there: FileStore itself would make it open to all, and throw uncaught. */
  #temporaries: FileStore | undefined
  readonly #syncs: Record<Room, FolderSync>
  /** The last to compose each key: two at once would write into one file. */
  readonly #composing = new Map<string, Promise<void>>()

  /** @param folder holds `tmp/` and `objects/`, on one file system, since a rename joins them */
  constructor(folder: string) {
    this.#folders = { temporary: path.join(folder, 'tmp'), object: path.join(folder, 'objects') }
    this.#syncs = {
      temporary: new FolderSync(this.#folders.temporary),
      object: new FolderSync(this.#folders.object),
    }
  }

  async open(): Promise<void> {
    for (const folder of Object.values(this.#folders)) {
      await mkdir(folder, { recursive: true, mode: 0o750 }).catch((cause: NodeJS.ErrnoException) => {
        throw new AppError(
          'UNAVAILABLE',
          `The store's folder ${folder} can't be made (${cause.code}). Make room for it.`,
          {
            cause,
          },
        )
      })
    }
    await this.check()
    this.#temporaries = new FileStore({
      directory: this.#folders.temporary,
      configstore: new MemoryConfigstore(),
    })
  }

  async check(): Promise<void> {
    for (const folder of Object.values(this.#folders)) {
      await access(folder, constants.R_OK | constants.W_OK).catch((cause) => {
        throw new AppError('UNAVAILABLE', 'The store cannot be written. Try again in a minute.', {
          cause,
          retryAfterSeconds: 60,
        })
      })
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folders.temporary)
    return bavail * bsize
  }

  async createTemporary(key: string): Promise<void> {
    await translated(async () => {
      const temporaries = this.#temporaries
      if (temporaries === undefined) throw new AppError('INTERNAL', 'The store is used before it is open.')
      this.#path('temporary', key)
      await temporaries.create(new TusUpload({ id: key, offset: 0 }))
      // FileStore keeps what it made in its config store; our record is in Postgres.
      await temporaries.configstore.delete(key)
      await this.#syncs.temporary.sync()
    })
  }

  async openTemporary(key: string, { offsetBytes }: TemporaryPosition): Promise<TemporaryWriter> {
    return translated(async () => {
      const file = await open(this.#path('temporary', key), 'r+')
      const { size } = await file.stat()
      if (size >= offsetBytes) return new FileWriter(file, offsetBytes)
      await file.close()
      throw new AppError('CONFLICT', `The store has ${size} of ${offsetBytes} acknowledged bytes.`)
    })
  }

  async holds(key: string, { offsetBytes, sizeBytes }: TemporaryPosition): Promise<boolean> {
    const storedBytes = await fileSize(this.#path('temporary', key))
    if (storedBytes !== null) return storedBytes >= offsetBytes
    return offsetBytes === sizeBytes && (await fileSize(this.#path('object', key))) === sizeBytes
  }

  async deleteTemporary(key: string): Promise<void> {
    await rm(this.#path('temporary', key), { force: true })
  }

  async complete(key: string, sizeBytes: number): Promise<void> {
    const source = this.#path('temporary', key)
    const target = this.#path('object', key)
    const storedBytes = await fileSize(source)
    if (storedBytes === null) {
      if ((await fileSize(target)) === sizeBytes) return
      throw bytesMissing()
    }
    if (storedBytes < sizeBytes) {
      throw new AppError('CONFLICT', `The store has ${storedBytes} of ${sizeBytes} bytes of upload ${key}.`)
    }
    if (storedBytes > sizeBytes) await truncateDurably(source, sizeBytes)
    await rename(source, target)
    await Promise.all([this.#syncs.object.sync(), this.#syncs.temporary.sync()])
  }

  async compose(key: string, sources: readonly ComposeSource[], signal?: AbortSignal): Promise<void> {
    const before = this.#composing.get(key)
    const composing = Promise.resolve(before?.catch(() => {})).then(() =>
      this.#composeAlone(key, sources, signal),
    )
    this.#composing.set(key, composing)
    try {
      await composing
    } finally {
      if (this.#composing.get(key) === composing) this.#composing.delete(key)
    }
  }

  async #composeAlone(
    key: string,
    sources: readonly ComposeSource[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const temporary = this.#path('temporary', key)
    const target = this.#path('object', key)
    const sizeBytes = sources.reduce((sum, source) => sum + source.sizeBytes, 0)
    if ((await fileSize(target)) === sizeBytes) return
    signal?.throwIfAborted()
    await translated(async () => {
      const files = sources.map((source) => ({
        path: this.#path('object', source.key),
        sizeBytes: source.sizeBytes,
      }))
      for (const file of files) assertSize(file.sizeBytes, (await stat(file.path)).size)
      try {
        const composedBytes = await composeFile(temporary, files, signal)
        assertSize(sizeBytes, composedBytes)
        await renameIfThere(temporary, target)
      } catch (error) {
        // Half of it on a full disk would stay until it is begun anew.
        await rm(temporary, { force: true })
        throw error
      }
      await Promise.all([this.#syncs.object.sync(), this.#syncs.temporary.sync()])
    })
  }

  async putObject(key: string, bytes: Uint8Array): Promise<void> {
    await translated(async () => {
      const file = await open(this.#path('object', key), 'w', 0o640)
      try {
        await writeAll(file, bytes, 0)
        await file.sync()
      } catch (error) {
        // Half an object on a full disk would stay until it is old enough for the sweep.
        await rm(this.#path('object', key), { force: true })
        throw error
      } finally {
        await file.close()
      }
      await this.#syncs.object.sync()
    })
  }

  async readObjectHead(key: string, lengthBytes: number): Promise<{ head: Uint8Array; sizeBytes: number }> {
    return translated(async () => {
      const file = await open(this.#path('object', key), 'r')
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(lengthBytes), 0, lengthBytes, 0)
        return { head: buffer.subarray(0, bytesRead), sizeBytes: (await file.stat()).size }
      } finally {
        await file.close()
      }
    })
  }

  readObject(key: string, range: ByteRange): AsyncIterable<Uint8Array> {
    return readFileRange(this.#path('object', key), range)
  }

  async sendObject(
    key: string,
    range: ByteRange,
    sink: Writable,
    beforeFirstByte: () => void,
  ): Promise<void> {
    const file = await translated(() => open(this.#path('object', key), 'r'))
    try {
      beforeFirstByte()
      await sendFile(file, range, sink)
    } finally {
      await file.close()
    }
  }

  /** A disk has no URL. */
  async objectUrl(_key: string, _seconds: number, _presentation: Presentation): Promise<string | null> {
    return null
  }

  async deleteObject(key: string): Promise<void> {
    await rm(this.#path('object', key), { force: true })
  }

  /** Holds no memory: what is written is on its way to the disk. */
  relieveMemory(): void {}

  async close(): Promise<void> {}

  async *list(): AsyncIterable<StoredItem> {
    for (const room of ['temporary', 'object'] as const) {
      for await (const entry of await opendir(this.#folders[room])) {
        const stats = await stat(path.join(this.#folders[room], entry.name)).catch(() => null)
        // What isn't named like ours isn't ours: lost+found, somebody's notes.
        if (stats?.isFile() && isKey(entry.name)) {
          yield { room, key: entry.name, sizeBytes: stats.size, modifiedAt: stats.mtime }
        }
      }
    }
  }

  #path(room: Room, key: string): string {
    assertKey(key)
    return path.join(this.#folders[room], key)
  }
}

class FileWriter implements TemporaryWriter {
  readonly #file: FileHandle
  readonly #underWay = new Set<Promise<void>>()
  #positionBytes: number
  #isClosed = false

  constructor(file: FileHandle, offsetBytes: number) {
    this.#file = file
    this.#positionBytes = offsetBytes
  }

  /** The disk doesn't care where a sync comes. */
  readonly boundaryBytes = Number.POSITIVE_INFINITY

  async ready(): Promise<void> {
    while (this.#underWay.size >= WRITES_UNDER_WAY) await Promise.race(this.#underWay).catch(() => {})
  }

  async write(bytes: Uint8Array): Promise<void> {
    const position = this.#positionBytes
    this.#positionBytes += bytes.byteLength
    const writing = writeAll(this.#file, bytes, position).catch((error) => {
      throw translateFileError(error)
    })
    this.#underWay.add(writing)
    try {
      await writing
    } finally {
      this.#underWay.delete(writing)
    }
  }

  /** The file is found by its key: there is nothing to remember. */
  async sync(): Promise<Ledger> {
    await Promise.all(this.#underWay)
    await this.#file.datasync().catch((error) => {
      throw translateFileError(error)
    })
    return EMPTY_LEDGER
  }

  confirm(): void {}

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.allSettled(this.#underWay)
    await this.#file.close()
  }
}

async function* readFileRange(filePath: string, range: ByteRange): AsyncIterable<Uint8Array> {
  if (range.end <= range.start) return
  try {
    yield* createReadStream(filePath, { start: range.start, end: range.end - 1, highWaterMark: 1 << 20 })
  } catch (error) {
    throw translateFileError(error)
  }
}

async function fileSize(filePath: string): Promise<number | null> {
  const stats = await stat(filePath).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw translateFileError(error)
  })
  return stats === null ? null : stats.size
}

async function truncateDurably(filePath: string, sizeBytes: number): Promise<void> {
  const file = await open(filePath, 'r+')
  try {
    await file.truncate(sizeBytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** @throws CONFLICT, without a key: it may be the id of another owner's upload of the same content */
function assertSize(wantedBytes: number, storedBytes: number): void {
  if (storedBytes === wantedBytes) return
  throw new AppError(
    'CONFLICT',
    `The store has ${storedBytes} instead of ${wantedBytes} bytes. Upload the file again.`,
  )
}

/** @throws UNAVAILABLE when it isn't: `deleteTemporary` has taken it, while it was being written */
async function renameIfThere(source: string, target: string): Promise<void> {
  await rename(source, target).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    throw new AppError('UNAVAILABLE', 'The upload was deleted while it was put together.', { cause })
  })
}

async function translated<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw translateFileError(error)
  }
}

/** Only what we recognise; the rest is a bug and stays what it is. */
function translateFileError(error: unknown): unknown {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return bytesMissing(error)
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return storeIsFull(error)
  if (code === 'EIO' || code === 'EROFS' || code === 'EMFILE' || code === 'ENFILE') {
    return new AppError('UNAVAILABLE', 'The store cannot be written. Try again in a minute.', {
      cause: error,
      retryAfterSeconds: 60,
    })
  }
  return error
}

/** Without the key: it may be the id of another owner's upload of the same content. */
function bytesMissing(cause?: unknown): AppError {
  return new AppError('NOT_FOUND', 'The bytes are not in the store. Upload the file again.', { cause })
}

function storeIsFull(cause: unknown): AppError {
  return new AppError(
    'INSUFFICIENT_STORAGE',
    'The store is full. What was acknowledged is kept: resume when the operator has made room.',
    { cause },
  )
}
