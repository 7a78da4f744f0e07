// The journal on disk: one file of lines for each server, only ever appended to, so that a process that is killed loses
// nothing it wrote. What the lines mean is in journal-records.ts.
//
// Several processes may append at once. One that finds nobody else rewrites the file with the fewest lines; another that
// wrote to the old one notices with its next line, and writes on in the new one.

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import nodePath from 'node:path'
import lockfile from 'proper-lockfile'
import {
  apply,
  compacted,
  decode,
  emptyState,
  encode,
  type FileKey,
  type JournalEntry,
  type JournalRecord,
  type JournalState,
} from './journal-records.js'

const STALE_MS = 10_000
/** So many lines of which nothing is left to know are worth rewriting the file. */
const MOST_IDLE_LINES = 1000
const BLOCK_BYTES = 256 * 1024

export interface JournalOptions {
  /** Called once, when nothing can be written any more; pushing goes on without. */
  onFault: (error: unknown) => void
  now?: () => Date
}

export class Journal {
  readonly #file: string
  readonly #onFault: (error: unknown) => void
  readonly #now: () => Date
  #state: JournalState = emptyState()
  #handle: FileHandle | null = null
  #inode = 0n
  #unlock: (() => Promise<void>) | null = null
  #readBytes = 0
  #readLines = 0
  #pending: string[] = []
  #writing: Promise<void> = Promise.resolve()
  #isFaulty = false
  /** Made when it is asked for: after the last file. */
  #doneIds: Set<string> | null = null

  private constructor(file: string, { onFault, now = () => new Date() }: JournalOptions) {
    this.#file = file
    this.#onFault = onFault
    this.#now = now
  }

  /** Reads what is known. A journal that can't be read or written is an empty one that forgets, after `onFault`. */
  static async open(file: string, options: JournalOptions): Promise<Journal> {
    const journal = new Journal(file, options)
    try {
      await journal.#start()
    } catch (error) {
      journal.#fail(error)
    }
    if (journal.#state.salt === null)
      await journal.#write({ type: 'salt', salt: randomBytes(16).toString('hex') })
    return journal
  }

  /** Makes idempotency keys that nobody else makes. */
  get salt(): string {
    return this.#state.salt ?? ''
  }

  get(key: FileKey): JournalEntry | undefined {
    return this.#state.entries.get(key)
  }

  /** Whether a file was sent as the upload of this id. */
  hasDone(id: string): boolean {
    this.#doneIds ??= new Set()
    if (this.#doneIds.size === 0) {
      for (const [, { state, url }] of this.#state.entries) {
        if (state === 'done' && url !== null) this.#doneIds.add(url.slice(url.lastIndexOf('/') + 1))
      }
    }
    return this.#doneIds.has(id)
  }

  /** Resolves when it is written, and with `isDurable` when it survives a power cut. */
  async write(record: JournalRecord, { isDurable = false } = {}): Promise<void> {
    await this.#write(record)
    if (!isDurable || this.#isFaulty) return
    try {
      await this.#handle?.datasync()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** What other processes have written since. */
  async refresh(): Promise<void> {
    await this.#writing
    if (this.#isFaulty) return
    try {
      await this.#reopenIfReplaced()
      await this.#read()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Everything is written when it resolves. */
  async close(): Promise<void> {
    await this.#writing
    await this.#handle?.close()
    this.#handle = null
    await this.#unlock?.().catch(() => undefined)
    this.#unlock = null
  }

  async #start(): Promise<void> {
    await mkdir(nodePath.dirname(this.#file), { recursive: true, mode: 0o700 })
    await this.#openFile()
    this.#unlock = await this.#becomeOnly()
    await this.#read()
    if (this.#unlock !== null && this.#isWorthRewriting()) await this.#rewrite()
  }

  /** Null when another push holds the journal: it is used all the same, but not rewritten. */
  async #becomeOnly(): Promise<(() => Promise<void>) | null> {
    try {
      return await lockfile.lock(this.#file, {
        realpath: false,
        stale: STALE_MS,
        // A computer that slept: what the lock is for is over by then.
        onCompromised: () => {
          this.#unlock = null
        },
      })
    } catch {
      return null
    }
  }

  async #openFile(): Promise<void> {
    await this.#handle?.close()
    this.#handle = await open(this.#file, 'a+', 0o600)
    const { ino, size } = await this.#handle.stat({ bigint: true })
    this.#inode = ino
    this.#readBytes = 0
    this.#readLines = 0
    if (size > 0n) {
      const last = Buffer.alloc(1)
      await this.#handle.read(last, 0, 1, Number(size) - 1)
      // Somebody died in the middle of a line: ours begins a new one.
      if (last[0] !== NEWLINE) await this.#handle.write('\n')
    }
  }

  /** Reads on from where it has read to, up to the last whole line. */
  async #read(): Promise<void> {
    const handle = this.#handle
    if (handle === null) return
    const block = Buffer.allocUnsafe(BLOCK_BYTES)
    let rest = Buffer.alloc(0)
    for (let at = this.#readBytes; ; ) {
      const { bytesRead } = await handle.read(block, 0, block.byteLength, at)
      if (bytesRead === 0) return
      at += bytesRead
      const bytes = Buffer.concat([rest, block.subarray(0, bytesRead)])
      const end = bytes.lastIndexOf(NEWLINE) + 1
      for (const line of bytes.toString('utf8', 0, end).split('\n')) {
        const record = line === '' ? null : decode(line)
        this.#readLines += 1
        if (record !== null) apply(this.#state, record)
      }
      this.#readBytes += end
      rest = Buffer.from(bytes.subarray(end))
    }
  }

  #isWorthRewriting(): boolean {
    return this.#readLines - this.#state.entries.size > MOST_IDLE_LINES + this.#state.entries.size
  }

  async #rewrite(): Promise<void> {
    const next = `${this.#file}.${process.pid}.new`
    const target = await open(next, 'w', 0o600)
    try {
      let text = ''
      for (const record of compacted(this.#state, this.#now())) {
        text += encode(record)
        if (text.length > BLOCK_BYTES) {
          await target.write(text)
          text = ''
        }
      }
      await target.write(text)
      await target.datasync()
    } catch (error) {
      await rm(next, { force: true })
      throw error
    } finally {
      await target.close()
    }
    await rename(next, this.#file)
    this.#state = emptyState()
    await this.#openFile()
    await this.#read()
  }

  /** Lines that come while one batch is being written go with the next: ten thousand files cost few writes. */
  #write(record: JournalRecord): Promise<void> {
    apply(this.#state, record)
    if (this.#isFaulty) return Promise.resolve()
    this.#pending.push(encode(record))
    if (this.#pending.length === 1) this.#writing = this.#writing.then(() => this.#flush())
    return this.#writing
  }

  async #flush(): Promise<void> {
    const text = this.#pending.join('')
    this.#pending = []
    try {
      await this.#reopenIfReplaced()
      await this.#handle?.appendFile(text)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #reopenIfReplaced(): Promise<void> {
    const there = await stat(this.#file, { bigint: true }).catch(() => null)
    if (there?.ino === this.#inode) return
    await mkdir(nodePath.dirname(this.#file), { recursive: true, mode: 0o700 })
    await this.#openFile()
  }

  #fail(error: unknown): void {
    if (this.#isFaulty) return
    this.#isFaulty = true
    this.#pending = []
    this.#onFault(error)
  }
}

const NEWLINE = 0x0a
