// An event as its readers get it, in every format and in webhooks. Pure.

import { endOf } from '../packages/retention.js'
import type { ApiKeyEventType, PackageEventType, UploadEventType } from './log.js'

export type EventType = UploadEventType | PackageEventType | ApiKeyEventType

/** What each type tells. A type without a row doesn't compile. */
export const UPLOAD_EVENTS: Readonly<Record<UploadEventType, string>> = {
  'upload.created.v1': 'an upload has begun',
  'upload.finalizing.v1': 'its last byte is stored, and it is being finished',
  'upload.ready.v1': 'it is complete, and its checksums are known',
  'upload.failed.v1': 'it never becomes ready: `data.error` says why',
  'upload.canceled.v1': 'it was given up before it was ready',
  'upload.extended.v1': 'it is kept longer: until `data.expires_at`',
  'upload.expiring.v1': 'it ends soon, at `data.expires_at`, unless that is moved',
  'upload.expired.v1': 'its time was over',
  'upload.deleted.v1': 'it was deleted, as `data.by` asked',
  'upload.restored.v1': 'its deletion, or its cancellation, was undone: it is again what it was',
}

export const PACKAGE_EVENTS: Readonly<Record<PackageEventType, string>> = {
  'package.created.v1': 'a package takes in uploads',
  'package.finalized.v1': 'its list of files is frozen, and its manifest is written',
  'package.retention_extended.v1': 'it is kept longer: until `data.expires_at`',
  'package.shared.v1': '`data.grantee` reaches it, for `data.access`',
  'package.unshared.v1': '`data.grantee` reaches it no more',
  'package.expired.v1': 'its time was over',
  'package.deleted.v1': 'it was deleted, as `data.by` asked',
}

export const API_KEY_EVENTS: Readonly<Record<ApiKeyEventType, string>> = {
  'api_key.created.v1': 'a key was made',
  'api_key.revoked.v1': 'it is refused from now on',
}

export interface EventRecord {
  /** Its place in the order that all readers see. Grows, with gaps. */
  sequence: number
  type: EventType
  /** RFC 3339, UTC. */
  at: string
  owner: string
  upload_id: string | null
  package_id: string | null
  /** What the upload or the package was at that moment. */
  data: Readonly<Record<string, unknown>>
}

/** A row of the log that has its place in the order. */
export interface EventRow {
  sequence: bigint
  type: EventType
  at: Date
  owner: string
  uploadId: string | null
  packageId: string | null
  data: Readonly<Record<string, unknown>>
}

// Rows from before there were packages lack some.
const UPLOAD_MEMBERS = {
  ...{ state: null, filename: null, label: null, relative_path: null },
  ...{ size: null, sha256: null, expires_at: null, error: null, by: null },
}
const PACKAGE_MEMBERS = {
  ...{ state: null, name: null, label: null, expires_at: null, manifest_sha256: null },
  ...{ grantee: null, access: null, by: null },
}
const API_KEY_MEMBERS = { key_id: null, name: null, prefix: null, scopes: [], expires_at: null, by: null }

const MEMBERS: Readonly<Record<string, object>> = {
  upload: UPLOAD_MEMBERS,
  package: PACKAGE_MEMBERS,
  api_key: API_KEY_MEMBERS,
}

export function toEvent({ sequence, type, at, owner, uploadId, packageId, data }: EventRow): EventRecord {
  const members = MEMBERS[type.split('.')[0] ?? ''] ?? {}
  return {
    sequence: Number(sequence),
    type,
    at: at.toISOString(),
    owner,
    upload_id: uploadId,
    package_id: packageId,
    data: { ...members, ...data, expires_at: timeIn(data.expires_at) },
  }
}

/** Postgres writes times into JSON with the offset of its session's time zone; null stands for never, too. */
function timeIn(value: unknown): string | null {
  return typeof value === 'string' ? endOf(new Date(value)) : null
}
