// The manifest of a finalized package, in CBOR (RFC 8949 §4.2.1, core deterministic) and in JSON (RFC 8785, JCS). Pure.
//
// It is never whole in memory: `frameOf` gives what stands before and after the files, `encodeFiles` some of them.

import canonicalize from 'canonicalize'
import { encode, rfc8949EncodeOptions } from 'cborg'
import { ARRAY, encodeFlat, encodeHead, MAP } from './flat-cbor.js'
import type { Contents, Extension, Package } from './package.js'
import { endOf } from './retention.js'

export type ManifestFormat = 'cbor' | 'json'

export const MANIFEST_TYPES: Readonly<Record<ManifestFormat, string>> = {
  cbor: 'application/cbor',
  json: 'application/json',
}

/** A file of a finalized package. Nothing of it changes any more. */
export interface FrozenFile {
  path: string
  sizeBytes: bigint
  contentType: string | null
  md5: string
  sha1: string
  sha256: string
  uploadId: string
  createdAt: Date
  finishedAt: Date
}

/** Who made a manifest, and where the bytes were. */
export interface Provenance {
  store: 'local' | 's3'
  version: string
  publicUrl: string
}

/** All of a manifest but its files, as it was frozen. A plain JSON value. */
export interface ManifestHead {
  manifest_version: 1
  package: {
    id: string
    name: string
    label: string | null
    producer: string | null
    subject: string | null
    owner: string
    metadata: Package['metadata']
    created_at: string
    finalized_at: string
  }
  totals: { files: number; bytes: number }
  retention: {
    class: string
    /** At finalizing; null: for ever. Later extensions are in the package's report. */
    expires_at: string | null
    extensions: { at: string; reason: string; old_expires_at: string; new_expires_at: string }[]
  }
  provenance: { service: 'antipasto'; version: string; public_url: string; store: 'local' | 's3' }
}

/** One file in a manifest. */
export type ManifestFile = {
  path: string
  size: number
  media_type: string
  md5: string
  sha1: string
  sha256: string
  upload_id: string
  /** From the upload's start to when all of it was stored and its digests were known. */
  received: { started_at: string; finished_at: string }
  storage_receipt: {
    store: 'local' | 's3'
    upload_id: string
    size: number
    sha256: string
    stored_at: string
  }
}

export function manifestHead(
  found: Package,
  frozen: {
    finalizedAt: Date
    endsAt: Date
    contents: Contents
    extensions: readonly Extension[]
    provenance: Provenance
  },
): ManifestHead {
  const { finalizedAt, endsAt, contents, extensions, provenance } = frozen
  return {
    manifest_version: 1,
    package: {
      id: found.id,
      name: found.name,
      label: found.label,
      producer: found.producer,
      subject: found.subject,
      owner: found.owner,
      metadata: found.metadata,
      created_at: found.createdAt.toISOString(),
      finalized_at: finalizedAt.toISOString(),
    },
    totals: { files: contents.ready, bytes: contents.sizeBytes },
    retention: {
      class: found.retentionClass,
      expires_at: endOf(endsAt),
      extensions: extensions.map(({ at, reason, oldExpiresAt, newExpiresAt }) => ({
        at: at.toISOString(),
        reason,
        old_expires_at: oldExpiresAt.toISOString(),
        new_expires_at: newExpiresAt.toISOString(),
      })),
    },
    provenance: {
      service: 'antipasto',
      version: provenance.version,
      public_url: provenance.publicUrl,
      store: provenance.store,
    },
  }
}

/** Its members in the order of JCS: so JSON.stringify, many times faster than sorting them anew for each file, writes it. */
export function manifestFile(file: FrozenFile, store: Provenance['store']): ManifestFile {
  const { md5, path, sha1, sha256, uploadId } = file
  const size = Number(file.sizeBytes)
  const finishedAt = file.finishedAt.toISOString()
  return {
    md5,
    // As it is sent with the bytes.
    media_type: file.contentType ?? 'application/octet-stream',
    path,
    received: { finished_at: finishedAt, started_at: file.createdAt.toISOString() },
    sha1,
    sha256,
    size,
    storage_receipt: { sha256, size, store, stored_at: finishedAt, upload_id: uploadId },
    upload_id: uploadId,
  }
}

/** The bytes of a manifest before its first file, and after its last. */
export interface ManifestFrame {
  before: Buffer
  after: Buffer
}

export function frameOf(head: ManifestHead, format: ManifestFormat): ManifestFrame {
  return format === 'cbor' ? cborFrame(head) : jsonFrame(head)
}

/** Files as they stand in the list. Between two of them, JSON wants a comma: `isStart` leaves out the one before the first. */
export function encodeFiles(
  files: readonly ManifestFile[],
  format: ManifestFormat,
  isStart: boolean,
): Buffer {
  if (format === 'cbor') return encodeFlat(files)
  return Buffer.from(`${isStart ? '' : ','}${files.map((file) => JSON.stringify(file)).join(',')}`)
}

const FILES = 'files'

/** A map of definite length, its members in the order of their encoded keys, among them the head of the files' array. */
function cborFrame(head: ManifestHead): ManifestFrame {
  const members = [...Object.entries(head), [FILES, null] as const]
    .map(([name, value]) => ({ name, key: cbor(name), value }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
  const place = members.findIndex(({ name }) => name === FILES)
  const bytesOf = ({ key, value }: { key: Buffer; value: unknown }) => Buffer.concat([key, cbor(value)])
  return {
    before: Buffer.concat([
      encodeHead(MAP, members.length),
      ...members.slice(0, place).map(bytesOf),
      cbor(FILES),
      encodeHead(ARRAY, head.totals.files),
    ]),
    after: Buffer.concat(members.slice(place + 1).map(bytesOf)),
  }
}

/** An object whose members are in the order of their names' UTF-16 code units, which is how JavaScript compares. */
function jsonFrame(head: ManifestHead): ManifestFrame {
  const members = Object.entries(head).sort(([a], [b]) => (a < b ? -1 : 1))
  const textOf = ([name, value]: [string, unknown]) => `${jcs(name)}:${jcs(value)}`
  const before = members.filter(([name]) => name < FILES).map((member) => `${textOf(member)},`)
  const after = members.filter(([name]) => name > FILES).map((member) => `,${textOf(member)}`)
  return {
    before: Buffer.from(`{${before.join('')}${jcs(FILES)}:[`),
    after: Buffer.from(`]${after.join('')}}`),
  }
}

function cbor(value: unknown): Buffer {
  const bytes = encode(value, rfc8949EncodeOptions)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function jcs(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('A manifest has nothing that JSON has not.')
  return text
}
