// The reports of uploads, and what can be done to them. Sending is in send.ts.

import type { Connection } from './connection.js'
import { apiError } from './errors.js'
import { askJson, askNothing, askText, jsonBody, query } from './json.js'
import { everyItem, MOST_PER_PAGE, type Page, type PageOptions } from './pages.js'
import { at } from './routes.js'
import { sleep } from './sleep.js'
import type {
  Completion,
  NewSession,
  Received,
  Report,
  RetrievalUrl,
  Session,
  UploadChanges,
  UploadFilters,
} from './types.js'

const FIRST_LOOK_MS = 100
const LONGEST_LOOK_MS = 5_000

export class Uploads {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** @throws NotFound */
  report(id: string, signal?: AbortSignal): Promise<Report> {
    return askJson(this.#connection, at('/uploads/{id}', { id }), { signal })
  }

  /** Newest first, unless `sort` says otherwise. */
  list(filters: UploadFilters = {}, signal?: AbortSignal): AsyncGenerator<Report, void, undefined> {
    return everyItem((cursor) => this.page(filters, { cursor, limit: MOST_PER_PAGE, signal }))
  }

  /** One page of that list. */
  page(filters: UploadFilters = {}, { cursor, limit, ...ask }: PageOptions = {}): Promise<Page<Report>> {
    return askJson(this.#connection, at('/uploads') + query({ ...filters, limit, cursor }), ask)
  }

  /**
   * Opens a session: what it is known before its bytes come, to its `upload_url` by PATCH; `complete` ends it.
   *
   * @param idempotencyKey any text of your own, once for each session that is meant: then it is repeated, as it answers the
   *   same session again
   */
  open(session: NewSession, idempotencyKey?: string, signal?: AbortSignal): Promise<Session> {
    const { headers, ...body } = jsonBody(session)
    return askJson(this.#connection, at('/uploads'), {
      method: 'POST',
      isRepeatable: idempotencyKey !== undefined,
      headers: { ...headers, ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }) },
      ...body,
      signal,
    })
  }

  /**
   * Finishes a session, or a tus upload with `finalize manual`; a second time it answers the same.
   *
   * The state may still be `finalizing`: ask for the report again.
   *
   * @throws OffsetMismatch while bytes are missing, HashMismatch
   */
  complete(id: string, completion: Completion = {}, signal?: AbortSignal): Promise<Report> {
    return askJson(this.#connection, at('/uploads/{id}/complete', { id }), {
      method: 'POST',
      isRepeatable: true,
      ...jsonBody(completion),
      signal,
    })
  }

  /**
   * The report, once the upload is `ready`: while the server is finishing it, it is asked for again.
   *
   * @throws HashMismatch, ContentRefused … when it failed, as the server says why; Gone when it has ended; OffsetMismatch
   *   while bytes are missing
   */
  async whenReady(id: string, signal?: AbortSignal): Promise<Report> {
    for (let delayMs = FIRST_LOOK_MS; ; delayMs = Math.min(2 * delayMs, LONGEST_LOOK_MS)) {
      const report = await this.report(id, signal)
      if (report.state === 'ready') return report
      if (report.state !== 'finalizing') throw notReady(report)
      await sleep(delayMs, signal)
    }
  }

  /** Changes label, key, note, or moves `expires_at` later. */
  change(id: string, changes: UploadChanges, signal?: AbortSignal): Promise<Report> {
    return askJson(this.#connection, at('/uploads/{id}', { id }), {
      method: 'PATCH',
      isRepeatable: true,
      ...jsonBody(changes, 'application/merge-patch+json'),
      signal,
    })
  }

  /** A new retrieval URL; the one before is dead. Not repeated by itself. */
  renewUrl(id: string, signal?: AbortSignal): Promise<RetrievalUrl> {
    return askJson(this.#connection, at('/uploads/{id}/retrieval-url', { id }), { method: 'POST', signal })
  }

  /** The EML `<physical>` element. */
  eml(id: string, signal?: AbortSignal): Promise<string> {
    return askText(this.#connection, at('/uploads/{id}/eml', { id }), { expects: 'xml', signal })
  }

  /**
   * Cancels or deletes: its bytes are gone and its URL is dead. True when it was there.
   *
   * A repeated request may find gone what the first one deleted, so that isn't an error.
   */
  remove(id: string, signal?: AbortSignal): Promise<boolean> {
    return askNothing(this.#connection, at('/uploads/{id}', { id }), { method: 'DELETE', signal })
  }

  /**
   * Cancels or deletes at once, and keeps the bytes for 1 to 600 seconds: until the report's `restorable_until`, `restore`
   * brings it back. That is null when nothing could be kept: of a failed upload, or one that a single request was bringing.
   *
   * Repeated, it answers the same, and gives no more time.
   *
   * @throws NotFound, Gone when it has ended, Conflict while it is being finished, PackageFinalized
   */
  removeWithUndo(id: string, undoSeconds: number, signal?: AbortSignal): Promise<Report> {
    const target = at('/uploads/{id}', { id }) + query({ undo_seconds: undoSeconds })
    return askJson(this.#connection, target, { method: 'DELETE', signal })
  }

  /**
   * Undoes `removeWithUndo`: it is again what it was, with the same URL. Repeated, it answers the same.
   *
   * @throws Gone when its time is over, Conflict when it ended for good or its place is taken, PackageFinalized
   */
  restore(id: string, signal?: AbortSignal): Promise<Report> {
    return askJson(this.#connection, at('/uploads/{id}/restore', { id }), {
      method: 'POST',
      isRepeatable: true,
      signal,
    })
  }

  /**
   * How many bytes have arrived, and their digests: whoever is given the file again knows by them whether it is the same one.
   *
   * @throws Gone when it has ended, Conflict when the server doesn't know them
   */
  received(id: string, signal?: AbortSignal): Promise<Received> {
    return askJson(this.#connection, at('/uploads/{id}/received', { id }), { signal })
  }
}

/** The id of an upload, as its URL ends. */
export function uploadIdOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '')
}

function notReady({ id, state, error, offset, size }: Report): Error {
  if (error !== null) return apiError(error.code, error.detail, { status: 422, details: { upload_id: id } })
  if (state === 'receiving') {
    const detail = `Upload ${id} has ${offset} of ${size ?? 'an unknown number of'} bytes. Send the rest.`
    return apiError('OFFSET_MISMATCH', detail, { status: 409, details: { upload_offset: offset } })
  }
  return apiError('GONE', `Upload ${id} has ended: it is ${state}.`, { status: 410 })
}
