// A file as Uppy has it, and what of it is ours.

import type { Meta, MinimalRequiredUppyFile, UppyFile } from '@uppy/core'
import type { TusBody } from '@uppy/tus'
import { uploadIdOf } from '../../api/uploads.js'
import { IDEMPOTENCY_KEY, UPLOADS_URL, uploadUrlOf } from './same-origin.js'

/** A file in Uppy's panel: chosen, on its way, or arrived. */
export type PanelFile = UppyFile<Meta, TusBody>

type TusState = NonNullable<PanelFile['tus']>

/** Such a file goes along with its creation: one request instead of two. */
const SMALL_BYTES = 1024 * 1024

/** What Uppy is given to add. */
export function descriptorOf(
  file: File,
  relativePath: string | null,
): MinimalRequiredUppyFile<Meta, TusBody> & { meta: Meta } {
  return { name: file.name, type: file.type, data: file, meta: { relativePath } }
}

/** As Uppy is to keep it, when it has just made it of a descriptor. */
export function prepared(file: PanelFile): PanelFile {
  // Uppy gives every file outside a folder `relativePath: null`, and the tus plugin would send the word "null".
  const { relativePath, ...meta } = file.meta
  return { ...file, meta: relativePath ? { ...meta, relativePath } : meta, tus: begunAnew(file) }
}

/** Sent from its beginning, as an upload of its own. */
export function begunAnew(file: PanelFile): TusState {
  return {
    endpoint: UPLOADS_URL,
    uploadUrl: null,
    headers: { [IDEMPOTENCY_KEY]: newKey() },
    uploadDataDuringCreation: (file.size ?? Number.POSITIVE_INFINITY) <= SMALL_BYTES,
  }
}

/** Goes on with that upload, or not at all: it has no endpoint to begin another one. */
export function goingOnWith(uploadId: string): TusState {
  return { endpoint: '', uploadUrl: uploadUrlOf(uploadId) }
}

/** The upload that it became; null while it is none. */
export function uploadIdIn(file: PanelFile): string | null {
  const uploadUrl = file.tus?.uploadUrl
  return uploadUrl ? uploadIdOf(uploadUrl) : null
}

/** With its folder, where it came in one. */
export function nameOf(file: PanelFile): string {
  return file.meta.relativePath ?? file.name
}

/** @param label empty: none */
export function withLabel(file: PanelFile, label: string): PanelFile {
  const { label: _before, ...meta } = file.meta
  return { ...file, meta: label === '' ? meta : { ...meta, label } }
}

/** `crypto.randomUUID` isn't there over plain http. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}
