// How files, uploads and journals are told apart: digests of what makes them one and the same. Pure.

import { createHash } from 'node:crypto'
import type { FileKey } from './journal-records.js'

/** Where files are pushed to: what the server calls them together. */
export interface Place {
  label: string | null
  packageId: string | null
}

/**
 * One file on its way to one place. Another size or time of change is the same file, changed.
 *
 * @param absolutePath where it is on this computer
 */
export function fileKey(place: Place, absolutePath: string, relativePath: string): FileKey {
  return digest(place.label, place.packageId, absolutePath, relativePath)
}

/**
 * The same for the same version of a file, as often as this computer tries: the server then answers the same upload.
 *
 * @param generation how many uploads of it have ended
 */
export function idempotencyKey(salt: string, key: FileKey, version: string, generation: number): string {
  return `push-${digest(salt, key, version, String(generation))}`
}

/** The name of the journal of what was sent there. */
export function journalName(endpoint: string): string {
  return `${digest(endpoint)}.jsonl`
}

/** Half of a SHA-256 is more than enough to tell a person's files apart. */
function digest(...parts: (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().toString('base64url', 0, 16)
}
