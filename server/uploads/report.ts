// An upload as its report: what users and scripts read. Pure.

import { endOf, isNever } from '../packages/retention.js'
import { isPartial, isRestorable, isTombstone, type Upload, type UploadState } from './upload.js'

/** The report of one upload, as in the API: snake_case, times in RFC 3339, sizes in bytes, digests in lowercase hex. */
export interface Report {
  id: string
  state: UploadState
  key: string | null
  label: string | null
  package_id: string | null
  relative_path: string | null
  filename: string | null
  content_type: string | null
  note: string | null
  /** Null while the length is deferred. */
  size: number | null
  offset: number
  /** While finishing has to read the stored bytes again for their checksums: how many are done; otherwise null. */
  reread_bytes: number | null
  checksums: { md5: string; sha1: string; sha256: string } | null
  declared_checksums: { md5: string | null; sha1: string | null; sha256: string | null }
  /** The content's name: its SHA-256. */
  file_id: string | null
  retrieval_url: string | null
  eml_url: string | null
  created_at: string
  finished_at: string | null
  /** Null: it is kept for ever. */
  expires_at: string | null
  /** Seconds left, never negative. */
  expires_in: number | null
  /** Until when its deletion can be undone; null: it wasn't deleted, or nothing of it is left. */
  restorable_until: string | null
  warnings: string[]
  error: { code: string; detail: string } | null
}

/** Where users reach this server, without trailing slashes. */
export interface Origins {
  publicUrl: () => string
  /** Of retrieval URLs: maybe another one. */
  retrievalOrigin: () => string
}

export function reportOf(upload: Upload, { publicUrl, retrievalOrigin }: Origins): Report {
  // A part of a concatenation is the way of a file, not a file: nobody has looked at what is in it.
  const isReady = upload.state === 'ready' && !isPartial(upload)
  const { md5, sha1, sha256 } = upload
  return {
    id: upload.id,
    state: upload.state,
    key: upload.key,
    label: upload.label,
    package_id: upload.packageId,
    relative_path: upload.packagePath ?? upload.relativePath,
    filename: upload.filename,
    content_type: upload.contentType,
    note: upload.note,
    size: upload.sizeBytes === null ? null : Number(upload.sizeBytes),
    offset: Number(upload.offsetBytes),
    reread_bytes: upload.rereadBytes === null ? null : Number(upload.rereadBytes),
    checksums: md5 !== null && sha1 !== null && sha256 !== null ? { md5, sha1, sha256 } : null,
    declared_checksums: {
      md5: upload.declaredMd5,
      sha1: upload.declaredSha1,
      sha256: upload.declaredSha256,
    },
    file_id: isReady ? sha256 : null,
    retrieval_url: retrievalUrl(upload, retrievalOrigin()),
    eml_url: isReady ? `${publicUrl()}/uploads/${upload.id}/eml` : null,
    created_at: upload.createdAt.toISOString(),
    finished_at: upload.finishedAt?.toISOString() ?? null,
    expires_at: endOf(upload.expiresAt),
    expires_in: secondsLeft(upload),
    restorable_until: isRestorable(upload) ? (upload.restorableUntil?.toISOString() ?? null) : null,
    warnings: upload.warnings,
    error: upload.errorCode === null ? null : { code: upload.errorCode, detail: upload.errorDetail ?? '' },
  }
}

function secondsLeft(upload: Upload): number | null {
  if (isTombstone(upload)) return 0
  return isNever(upload.expiresAt) ? null : Math.max(0, Math.floor(upload.expiresInSeconds))
}

/** Where the bytes can be had, by whoever knows the URL; null unless the upload is ready. */
export function retrievalUrl(
  upload: NamedUpload & Pick<Upload, 'state' | 'retrievalToken' | 'concat'>,
  origin: string,
): string | null {
  if (upload.state !== 'ready' || upload.retrievalToken === null || isPartial(upload)) return null
  return `${origin}/r/${upload.retrievalToken}/${encodePathSegment(fileNameOf(upload))}`
}

/** What names an upload's file. */
export type NamedUpload = Pick<Upload, 'id' | 'filename' | 'relativePath'>

/** The name under which the bytes are handed out. */
export function fileNameOf(upload: NamedUpload): string {
  return upload.filename ?? upload.relativePath?.split('/').at(-1) ?? upload.id
}

/** PASTA sends a URL's characters as they are, so everything that RFC 3986 doesn't leave unreserved is encoded. */
function encodePathSegment(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
