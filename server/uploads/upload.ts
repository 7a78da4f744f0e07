// The rules of an upload: what may be asked of it in which state. Pure: values in, values or AppErrors out.

import type { Digests } from '../digests/finish.js'
import { AppError } from '../errors.js'
import type { Usage } from '../quotas/quota.js'

export type UploadState = 'receiving' | 'finalizing' | 'ready' | 'failed' | 'canceled' | 'expired' | 'deleted'

export const UPLOAD_STATES: readonly UploadState[] = [
  'receiving',
  'finalizing',
  'ready',
  'failed',
  'canceled',
  'expired',
  'deleted',
]

/** States in which nothing of the upload is left but its report. */
export const TOMBSTONE_STATES: readonly UploadState[] = ['failed', 'canceled', 'expired', 'deleted']

/** What finishes an upload whose every byte has arrived: its last byte, a call of its own, or the one request that brings it. */
export type UploadFinish = 'auto' | 'manual' | 'once'

/** What a client says of a file when it begins to send it. */
export interface UploadDescription {
  filename: string | null
  contentType: string | null
  key: string | null
  label: string | null
  /** In NFC, as `relativePath` makes it. */
  relativePath: string | null
  /** The package to join; null: the open one of its label, or none. */
  packageId: string | null
  finish: UploadFinish
  /** Upload-Concat verbatim, for the parts of a tus concatenation and for what is made of them. */
  concat: string | null
  /** Upload-Metadata verbatim, for tus uploads: HEAD answers it again. */
  tusMetadata: string | null
  /** Null while the length is deferred. */
  sizeBytes: number | null
  declared: Partial<Digests>
}

/** One row of the record, as Postgres holds it. */
export interface Upload {
  id: string
  owner: string
  state: UploadState
  filename: string | null
  contentType: string | null
  key: string | null
  label: string | null
  relativePath: string | null
  note: string | null
  packageId: string | null
  /** Where it stands in its package; null when it is in none, or has ended. */
  packagePath: string | null
  finish: UploadFinish
  concat: string | null
  tusMetadata: string | null
  sizeBytes: bigint | null
  offsetBytes: bigint
  digestState: Uint8Array | null
  /** How far finishing has read the object again; null when it doesn't have to. */
  rereadBytes: bigint | null
  /** The multipart upload of its parts, in a store that has such a thing. */
  multipartId: string | null
  declaredMd5: string | null
  declaredSha1: string | null
  declaredSha256: string | null
  md5: string | null
  sha1: string | null
  sha256: string | null
  retrievalToken: string | null
  warnings: string[]
  errorCode: string | null
  errorDetail: string | null
  createdAt: Date
  lastWriteAt: Date
  finishedAt: Date | null
  /** While its bytes are kept so that it can be restored: as what. */
  restoreState: UploadState | null
  /** Until when it can be restored, or could have been. */
  restorableUntil: Date | null
  /** By the database's clock when the row was read; negative when past. */
  restorableInSeconds: number | null
  expiresAt: Date
  /** When it ends once it is finished. */
  keepUntil: Date
  /** By the database's clock when the row was read; negative when past. */
  expiresInSeconds: number
  leaseEpoch: bigint
  /** Somebody has the right to write it now, here or on another instance. */
  isHeld: boolean
}

/** Refuses a size that this server can't take. `null` is a deferred length. */
export function assertSize(sizeBytes: number | null, maxFileBytes: number): void {
  if (sizeBytes !== null && sizeBytes > maxFileBytes) {
    throw new AppError(
      'PAYLOAD_TOO_LARGE',
      `The file has ${sizeBytes} bytes; this server takes at most ${maxFileBytes}. Split it, or ask the operator to raise MAX_FILE_BYTES.`,
      { details: { max_file_bytes: maxFileBytes } },
    )
  }
}

/** Refuses what has ended. An upload past its end is gone at once, not when the sweep comes by. */
export function assertAlive(upload: Upload): void {
  if (isTombstone(upload) || isPastEnd(upload)) throw goneError(upload)
}

export function isPastEnd(upload: Upload): boolean {
  // What is being finished is past its client's reach, not past its end.
  return upload.state !== 'finalizing' && upload.expiresInSeconds <= 0
}

/** Why an upload that has ended answers 410, in the user's words. */
export function goneError(upload: Upload): AppError {
  const expired = `This upload expired at ${upload.expiresAt.toISOString()}. Start a new upload.`
  const reasons: Partial<Record<UploadState, string>> = {
    failed: `This upload failed: ${upload.errorDetail ?? 'no reason was recorded'} Start a new upload.`,
    canceled: 'This upload was canceled. Start a new upload.',
    expired,
    deleted: 'This upload was deleted. Start a new upload.',
  }
  const undo = isRestorable(upload)
    ? ` Until ${upload.restorableUntil?.toISOString()} POST /uploads/{id}/restore brings it back.`
    : ''
  return new AppError('GONE', (reasons[upload.state] ?? expired) + undo, {
    details: { state: upload.state, error: upload.errorCode },
  })
}

/** True while its deletion can be undone. */
export function isRestorable(upload: Upload): boolean {
  return upload.restoreState !== null && (upload.restorableInSeconds ?? 0) > 0
}

/** True when every byte has arrived and is acknowledged. */
export function isWhole(upload: Upload): boolean {
  return upload.sizeBytes !== null && upload.offsetBytes === upload.sizeBytes
}

/** True when every byte is here and finishing is nobody's decision any more: whoever notices goes on. */
export function isDue(upload: Upload): boolean {
  return isWhole(upload) && upload.finish === 'auto'
}

/** What a new upload adds to its owner's usage, as the trigger on uploads counts it. */
export function usageOf({ sizeBytes, concat }: UploadDescription, { isOpen }: { isOpen: boolean }): Usage {
  return { bytes: sizeBytes ?? 0, files: concat === 'partial' ? 0 : 1, openUploads: isOpen ? 1 : 0 }
}

/** True for a part of a tus concatenation: the way of a file, not a file. */
export function isPartial(upload: Pick<Upload, 'concat'>): boolean {
  return upload.concat === 'partial'
}

/** True for what is made of partial uploads. */
export function isConcatenation(upload: Pick<Upload, 'concat'>): boolean {
  return upload.concat?.startsWith('final;') ?? false
}

/** Where a file stands in its package when nothing else is said. */
export function pathInPackage(
  { relativePath, filename }: Pick<UploadDescription, 'relativePath' | 'filename'>,
  id: string,
): string {
  return relativePath ?? filename?.normalize('NFC') ?? id
}

export function isTombstone(upload: Upload): boolean {
  return TOMBSTONE_STATES.includes(upload.state)
}

/** Bytes of the body that a PATCH announces; null with `Transfer-Encoding: chunked`. */
export type AnnouncedBytes = number | null

/**
 * Refuses a PATCH that doesn't fit the upload, before a byte of it is read.
 *
 * @param declaredSizeBytes the length that this request declares for a deferred upload, or null
 * @throws OFFSET_MISMATCH with `details.upload_offset`; PAYLOAD_TOO_LARGE; INVALID_INPUT; GONE; FORBIDDEN
 */
export function assertAppend(
  upload: Upload,
  request: { offset: number; announcedBytes: AnnouncedBytes; declaredSizeBytes: number | null },
  maxFileBytes: number,
): void {
  assertAlive(upload)
  if (isConcatenation(upload)) {
    throw new AppError(
      'FORBIDDEN',
      'This upload is made of others: its bytes are theirs. Send bytes to its parts.',
    )
  }
  const offsetBytes = Number(upload.offsetBytes)
  if (request.offset !== offsetBytes) {
    throw new AppError(
      'OFFSET_MISMATCH',
      `The bytes sent begin at ${request.offset}, but ${offsetBytes} are stored. Resume at offset ${offsetBytes}.`,
      { details: { upload_offset: offsetBytes } },
    )
  }
  const sizeBytes = upload.sizeBytes === null ? request.declaredSizeBytes : Number(upload.sizeBytes)
  if (request.declaredSizeBytes !== null) {
    assertDeclaredSize(upload, request.declaredSizeBytes, maxFileBytes)
  }
  const endBytes = offsetBytes + (request.announcedBytes ?? 0)
  if (sizeBytes === null ? endBytes > maxFileBytes : endBytes > sizeBytes) {
    throw new AppError(
      'PAYLOAD_TOO_LARGE',
      `The body ends at byte ${endBytes}, past the upload's end at ${sizeBytes ?? maxFileBytes}. Send only what is missing.`,
      { details: { upload_offset: offsetBytes, upload_length: sizeBytes ?? maxFileBytes } },
    )
  }
}

/** @throws OFFSET_MISMATCH with the offset, while bytes are missing */
export function assertComplete(upload: Upload): void {
  if (upload.sizeBytes === null || isWhole(upload)) return
  throw new AppError(
    'OFFSET_MISMATCH',
    `${upload.offsetBytes} of ${upload.sizeBytes} bytes are stored. Send the rest from offset ${upload.offsetBytes}, then complete it.`,
    { details: { upload_offset: Number(upload.offsetBytes), upload_length: Number(upload.sizeBytes) } },
  )
}

/**
 * Refuses what can't be a part of a concatenation, now or ever.
 *
 * @returns its size
 * @throws INVALID_INPUT, CONFLICT while bytes of it are missing, GONE
 */
export function assertPart(upload: Upload): number {
  if (!isPartial(upload)) {
    throw new AppError(
      'INVALID_INPUT',
      `Upload ${upload.id} was not created with "Upload-Concat: partial" and can't be a part of another.`,
    )
  }
  assertAlive(upload)
  if (isWhole(upload)) return Number(upload.sizeBytes)
  throw new AppError(
    'CONFLICT',
    `Upload ${upload.id} has ${upload.offsetBytes} of ${upload.sizeBytes ?? 'an unknown number of'} bytes. Send the rest of it first.`,
    { details: { upload_id: upload.id } },
  )
}

function assertDeclaredSize(upload: Upload, declaredSizeBytes: number, maxFileBytes: number): void {
  if (upload.sizeBytes !== null && Number(upload.sizeBytes) !== declaredSizeBytes) {
    throw new AppError(
      'INVALID_INPUT',
      `Upload-Length is already ${upload.sizeBytes} and can't become ${declaredSizeBytes}. Leave the header out.`,
    )
  }
  if (declaredSizeBytes < Number(upload.offsetBytes)) {
    throw new AppError(
      'INVALID_INPUT',
      `Upload-Length ${declaredSizeBytes} is less than the ${upload.offsetBytes} bytes already stored. Declare the whole file's length.`,
    )
  }
  assertSize(declaredSizeBytes, maxFileBytes)
}

/**
 * Compares what the client declared with what arrived.
 *
 * @returns the refusal, or null when every declared digest matches
 */
export function declaredMismatch(declared: Partial<Digests>, computed: Digests): AppError | null {
  for (const algorithm of ['md5', 'sha1', 'sha256'] as const) {
    const expected = declared[algorithm]
    if (expected !== undefined && expected !== computed[algorithm]) {
      return new AppError(
        'HASH_MISMATCH',
        `The declared ${algorithm} is ${expected}, but the received bytes have ${computed[algorithm]}. Check the file and upload it again.`,
        { details: { algorithm, declared: expected, computed: computed[algorithm] } },
      )
    }
  }
  return null
}

/** The failure, and which upload's report tells of it: a client that sent a file in one request doesn't know its id. */
export function ofUpload(failure: AppError, uploadId: string): AppError {
  return new AppError(failure.code, failure.detail, { details: { ...failure.details, upload_id: uploadId } })
}

/** The digests that the client declared for `upload`. */
export function declaredDigests(upload: Upload): Partial<Digests> {
  return {
    ...(upload.declaredMd5 === null ? {} : { md5: upload.declaredMd5 }),
    ...(upload.declaredSha1 === null ? {} : { sha1: upload.declaredSha1 }),
    ...(upload.declaredSha256 === null ? {} : { sha256: upload.declaredSha256 }),
  }
}

/** How many of a file's first bytes `contentWarnings` looks at: as many as PASTA does. */
export const SNIFFED_BYTES = 1024

const HTML_MARKS = ['<!doctype html', '<html ', '<html>']

/**
 * What PASTA will refuse later, told to the uploader now.
 *
 * @param head the file's first SNIFFED_BYTES bytes
 */
export function contentWarnings(sizeBytes: number, head: Uint8Array, contentType: string | null): string[] {
  if (sizeBytes === 0) return ['The file is empty. PASTA refuses an entity of 0 bytes.']
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1').toLowerCase()
  const isHtml = HTML_MARKS.some((mark) => text.includes(mark))
  if (!isHtml || contentType?.startsWith('text/html')) return []
  return [
    'The file looks like an HTML page. PASTA refuses it unless the EML says that its format is text/html.',
  ]
}
