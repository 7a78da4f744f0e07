// The server's report of an upload, as far as the page reads it, and what the page concludes from it. Pure.

const STATES = ['receiving', 'finalizing', 'ready', 'failed', 'canceled', 'expired', 'deleted'] as const

export type UploadState = (typeof STATES)[number]

export interface Checksums {
  md5: string | null
  sha1: string | null
  sha256: string | null
}

/** One upload. Sizes are bytes; `expiresInSeconds` was counted by the server when it answered. */
export interface Report {
  id: string
  state: UploadState
  /** The path inside the dropped folder when there was one, else the file's name. */
  title: string
  sizeBytes: number | null
  offsetBytes: number
  checksums: Checksums
  retrievalUrl: string | null
  expiresAt: Date | null
  expiresInSeconds: number | null
  warnings: string[]
  error: { code: string; detail: string } | null
}

export interface ReportPage {
  reports: Report[]
  nextCursor: string | null
}

/** Reads the answer of `GET /uploads`. Throws a TypeError when it isn't one: then the page talks to something else. */
export function readReportPage(answer: unknown): ReportPage {
  const page = asObject(answer)
  const items = page?.items
  if (page === null || !Array.isArray(items)) throw new TypeError('The answer is no list of uploads.')
  return { reports: items.map(readReport), nextCursor: asText(page.next_cursor) }
}

function readReport(answer: unknown): Report {
  const upload = asObject(answer)
  const id = asText(upload?.id)
  const state = STATES.find((known) => known === upload?.state)
  if (upload === null || id === null || state === undefined) throw new TypeError('The answer is no upload.')

  const checksums = asObject(upload.checksums)
  const error = asObject(upload.error)
  const expiresAt = asText(upload.expires_at)
  return {
    id,
    state,
    title: asText(upload.relative_path) ?? asText(upload.filename) ?? 'Unnamed file',
    sizeBytes: asNumber(upload.size),
    offsetBytes: asNumber(upload.offset) ?? 0,
    checksums: {
      md5: asText(checksums?.md5),
      sha1: asText(checksums?.sha1),
      sha256: asText(checksums?.sha256),
    },
    retrievalUrl: asText(upload.retrieval_url),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
    expiresInSeconds: asNumber(upload.expires_in),
    warnings: readWarnings(upload.warnings),
    error:
      error === null
        ? null
        : {
            code: asText(error.code) ?? 'INTERNAL',
            detail: asText(error.detail) ?? 'The server gives no reason.',
          },
  }
}

/** Warnings are sentences, or objects that carry one in `detail`. */
function readWarnings(answer: unknown): string[] {
  if (!Array.isArray(answer)) return []
  return answer
    .map((warning: unknown) => asText(warning) ?? asText(asObject(warning)?.detail))
    .filter((text) => text !== null)
}

/** What the owner took away is nothing to look at; what failed or expired is, because it asks for something. */
export function isShown(report: Report): boolean {
  return report.state !== 'deleted' && report.state !== 'canceled'
}

/**
 * True when the list will soon look different: bytes arrived since the last answer, or a file is being finished.
 *
 * An upload that somebody left unfinished last week stands still and is no reason to ask every two seconds.
 */
export function isMoving(before: readonly Report[], now: readonly Report[]): boolean {
  const offsetBefore = new Map(before.map((report) => [report.id, report.offsetBytes]))
  return now.some(
    (report) =>
      report.state === 'finalizing' ||
      (report.state === 'receiving' &&
        (offsetBefore.get(report.id) ?? report.offsetBytes) !== report.offsetBytes),
  )
}

/** What this tab does with an unfinished upload; `absent`: it doesn't hold the file. */
export type Presence = 'sending' | 'paused' | 'stopped' | 'absent'

/** What this tab knows of an upload. */
export interface LocalUpload {
  presence: Presence
  /** What has left this browser; some of it may still be on its way. */
  sentBytes: number
}

/**
 * The report with this tab's own progress while it is sending: the server writes its offset down only now and then, and
 * two numbers for one file on one page would look like a fault. Once paused or stopped, what the server has is what counts.
 */
export function asSeenHere(report: Report, local: LocalUpload): Report {
  if (report.state !== 'receiving' || local.presence !== 'sending') return report
  return { ...report, offsetBytes: Math.max(report.offsetBytes, local.sentBytes) }
}

/** The id at the end of an upload's URL, without what a browser or proxy may have put behind it. */
export function uploadIdOf(uploadUrl: string): string {
  return (
    uploadUrl
      .replace(/[?#].*$/, '')
      .replace(/\/+$/, '')
      .split('/')
      .at(-1) ?? ''
  )
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

function asText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
