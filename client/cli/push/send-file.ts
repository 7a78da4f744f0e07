// One file on its way: by the journal, through whatever happens to it, until the server has it and says so.

import { stat } from 'node:fs/promises'
import nodePath from 'node:path'
import { Conflict, DigestMismatch, Gone, LocalFileDiffers, NotFound } from '../../api/errors.js'
import type { Report } from '../../api/types.js'
import { digestFile } from '../verify/digest-file.js'
import { assertSame } from './arrived.js'
import { lockFile } from './file-lock.js'
import type { Journal } from './journal.js'
import type { FileKey } from './journal-records.js'
import { fileKey, idempotencyKey } from './names.js'
import type { PushOutcome } from './outcome.js'
import { type Begun, planOf } from './plan.js'
import { idOf, type Remote } from './remote.js'
import { isUnmoved } from './standstill.js'
import { type Attempt, Transfer, type TransferOptions, type Watch } from './transfer.js'
import { outcomeOf, PackageMissing } from './verdict.js'
import { type LocalFile, versionOf } from './walk.js'

export interface FileSenderOptions extends TransferOptions {
  journal: Journal
  remote: Remote
  /** Where locks of files are kept. */
  locksFolder: string
}

/** Below this a file is over before another process could get in its way. */
const LOCKED_FROM_BYTES = 1024 * 1024
/** A file may be sent anew after its upload ended, or after it changed; not for ever. */
const MOST_BEGINNINGS = 3

export class FileSender {
  readonly #options: FileSenderOptions
  readonly #transfer: Transfer

  constructor(options: FileSenderOptions) {
    this.#options = options
    this.#transfer = new Transfer(options)
  }

  /** Never throws: what went wrong is in the outcome. */
  async send(file: LocalFile, watch: Watch): Promise<PushOutcome> {
    const { signal } = this.#options
    try {
      return file.sizeBytes >= LOCKED_FROM_BYTES
        ? await this.#sendLocked(file, watch)
        : await this.#sendUntilSettled(this.keyOf(file), file, watch)
    } catch (error) {
      if (!signal.aborted) return outcomeOf(error, file.path)
      const known = this.#options.journal.get(this.keyOf(file))
      return { state: 'stopped', url: known?.state === 'began' ? known.url : null }
    }
  }

  /** What the journal knows the file by. */
  keyOf(file: LocalFile): FileKey {
    return fileKey(this.#options.place, nodePath.resolve(file.path), file.relativePath)
  }

  async #sendLocked(file: LocalFile, watch: Watch): Promise<PushOutcome> {
    const { journal, locksFolder, signal } = this.#options
    const key = this.keyOf(file)
    watch.move(0, 'looking whether another push sends it')
    // Where no lock can be made, the state folder is broken, which was told: two at once are still told apart by the server.
    const lock = await lockFile(locksFolder, key, signal).catch(() => undefined)
    signal.throwIfAborted()
    if (lock === null) {
      const error = new LocalFileDiffers('another antipasto push is sending it now')
      return { state: 'failed', reason: error.message, error }
    }
    try {
      if (lock?.wasBusy === true) await journal.refresh()
      return await this.#sendUntilSettled(key, await freshly(file), watch)
    } finally {
      await lock?.release()
    }
  }

  /** Again from its start, as long as that helps. */
  async #sendUntilSettled(key: FileKey, file: LocalFile, watch: Watch): Promise<PushOutcome> {
    let current = file
    for (let beginning = 1; ; beginning += 1) {
      const attempt: Attempt = { urls: [], hasMoved: false }
      try {
        return await this.#sendOnce({ key, file: current, watch, attempt })
      } catch (error) {
        this.#options.signal.throwIfAborted()
        const cure = await this.#cure(error, { key, file: current, watch, attempt })
        if (typeof cure === 'object') return cure
        if (cure === 'hopeless' || beginning >= MOST_BEGINNINGS) throw error
        current = await freshly(current)
      }
    }
  }

  async #sendOnce(sending: Sending): Promise<PushOutcome> {
    const { key, file, watch } = sending
    const plan = planOf(this.#options.journal.get(key), file.version)
    switch (plan.act) {
      case 'ask': {
        const kept = await this.#keptOnServer(plan.url, plan.sha256, file)
        if (kept !== null) return kept
        watch.note('is no longer on the server; it is sent again')
        await this.#forget(key, file.version, plan.generation)
        return this.#begin(sending, plan.generation + 1)
      }
      case 'resume':
        return this.#go(sending, plan.begun)
      case 'begin':
        if (plan.changedSince === 'begun') watch.note('changed since it was begun; it is sent from the start')
        if (plan.changedSince === 'sent') watch.note('changed since it was sent')
        await this.#remove(plan.cancelUrls)
        return this.#begin(sending, plan.generation)
    }
  }

  #begin(sending: Sending, generation: number): Promise<PushOutcome> {
    return this.#go(sending, { generation, url: null, partUrls: null, prefix: null })
  }

  /** Sends, and compares. */
  async #go({ key, file, watch, attempt }: Sending, begun: Begun): Promise<PushOutcome> {
    const { antipasto, journal, isPlain, signal } = this.#options
    const { generation } = begun
    const sent = await this.#transfer.run({
      file,
      begun,
      watch,
      attempt,
      idempotencyKeyOf: (version) => idempotencyKey(journal.salt, key, version, generation),
      onBegun: (begunAt, version) =>
        journal.write(
          { type: 'began', key, version, generation, ...begunAt },
          { isDurable: file.sizeBytes >= LOCKED_FROM_BYTES },
        ),
      onPrefix: (prefix, version) => void journal.write({ type: 'progress', key, version, ...prefix }),
    })
    const { url, version, sizeBytes, sha256 } = sent
    let report: Report | null = null
    if (!isPlain && !sent.wasDeclared) {
      watch.move(sizeBytes, 'the server is finishing it')
      report = await antipasto.uploads.whenReady(idOf(url), signal)
      assertSame(report, sizeBytes, sha256)
    }
    const expiresAt = report?.expires_at ?? null
    await journal.write({ type: 'done', key, version, generation, url, sha256, expiresAt })
    return { state: 'sent', url, sha256, isVerified: !isPlain, expiresAt }
  }

  /** What is at `url` already, when it is what is here. */
  async #keptOnServer(url: string, sha256: string | null, file: LocalFile): Promise<PushOutcome | null> {
    const { isPlain, remote, signal, antipasto } = this.#options
    if (isPlain) return { state: 'kept', url, sha256, expiresAt: null }
    let there = await remote.find(url)
    if (there?.state === 'finalizing') {
      await antipasto.uploads.whenReady(there.id, signal)
      there = await remote.report(there.id)
    }
    if (there === null || there.state !== 'ready' || there.sizeBytes !== file.sizeBytes) return null
    if (sha256 !== null && there.sha256 !== sha256) return null
    return { state: 'kept', url, sha256: there.sha256, expiresAt: there.expiresAt }
  }

  /** What can be done about it: send from the start, nothing, or it is settled. */
  async #cure(error: unknown, sending: Sending): Promise<'again' | 'hopeless' | PushOutcome> {
    const { key, file, watch, attempt } = sending
    const { journal, place } = this.#options
    const generation = journal.get(key)?.generation ?? 0
    const anew = async (): Promise<'again'> => {
      await this.#forget(key, file.version, generation)
      return 'again'
    }

    if (error instanceof LocalFileDiffers || error instanceof DigestMismatch) {
      await this.#remove(attempt.urls)
      const again = await anew()
      if (error instanceof DigestMismatch || attempt.hasMoved || attempt.urls.length === 0) return 'hopeless'
      watch.note('changed since it was begun; it is sent from the start')
      return again
    }
    if (error instanceof Gone || error instanceof NotFound) {
      // Of an upload that was begun, or of one that was made with the same idempotency key and has ended since.
      if (attempt.urls.length > 0 || uploadIdIn(error) !== null) {
        watch.note('was ended on the server; it is sent from the start')
        return anew()
      }
      if (place.packageId === null) return 'hopeless'
      throw new PackageMissing(error.code, error.message, error)
    }
    if (!(error instanceof Conflict)) return 'hopeless'
    const id = uploadIdIn(error)
    if (id === null) return 'hopeless'
    if (error.details?.relative_path !== undefined) return this.#settleConflict(id, sending)
    // The same key for other bytes: the file changed, and its size and time didn't tell.
    return anew()
  }

  /** The package has a file at this path: maybe this very one, maybe an unfinished one of it. */
  async #settleConflict(id: string, { key, file, watch }: Sending): Promise<'again' | PushOutcome> {
    const { antipasto, journal, remote, signal } = this.#options
    const there = await remote.report(id)
    if (there === null) return 'again'
    const url = `${this.#options.endpoint}/${id}`
    const generation = journal.get(key)?.generation ?? 0
    const { version, sizeBytes } = file
    if (there.state === 'receiving' && there.sizeBytes === sizeBytes) {
      watch.move(0, 'looking whether another push sends it')
      if (!(await isUnmoved(antipasto, id, signal)))
        return taken(`another push is sending it as upload ${id}`)
      watch.note(`goes on with upload ${id}, which was begun before`)
      await journal.write({ type: 'began', key, version, generation, url })
      return 'again'
    }
    if (there.state === 'receiving') return taken(differs(id))
    const report = await antipasto.uploads.whenReady(id, signal)
    if (report.size !== sizeBytes) return taken(differs(id))
    const onRead = (bytes: number) => watch.resume(bytes, 'comparing it with the one on the server')
    const here = await digestFile(file.path, { signal, onRead })
    if (here.sha256 !== report.checksums?.sha256) return taken(differs(id))
    const { sha256 } = here
    const expiresAt = report.expires_at
    await journal.write({ type: 'done', key, version, generation, url, sha256, expiresAt })
    return { state: 'kept', url, sha256, expiresAt }
  }

  /** The next upload of this file is another one. */
  #forget(key: FileKey, version: string, generation: number): Promise<void> {
    return this.#options.journal.write({ type: 'ended', key, version, generation: generation + 1 })
  }

  /** Of no use any more; where that can't be said now, the server's sweep will see to it. */
  async #remove(urls: readonly string[]): Promise<void> {
    const { antipasto, isPlain, signal } = this.#options
    if (isPlain) return
    for (const url of urls) await antipasto.uploads.remove(idOf(url), signal).catch(() => undefined)
    signal.throwIfAborted()
  }
}

/** One file on its way, from one beginning. */
interface Sending {
  key: FileKey
  file: LocalFile
  watch: Watch
  attempt: Attempt
}

function taken(reason: string): PushOutcome {
  return { state: 'failed', reason, error: new LocalFileDiffers(reason) }
}

function differs(id: string): string {
  return `the package has another file at this path; remove that with \`antipasto rm ${id}\`, or push with another label`
}

function uploadIdIn(error: { details: Record<string, unknown> | undefined }): string | null {
  const id = error.details?.upload_id
  return typeof id === 'string' ? id : null
}

/** The file as it is now: others were sent before its turn came. */
async function freshly(file: LocalFile): Promise<LocalFile> {
  const stats = await stat(file.path, { bigint: true })
  return { ...file, sizeBytes: Number(stats.size), version: versionOf(stats) }
}
