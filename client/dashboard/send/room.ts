// What may be sent before it is sent: the largest file, and what is left of the quota. Pure.

import type { Me } from '../../api/types.js'

/** What is left for files that aren't on the server yet; null: no limit. */
export interface Room {
  /** Of one file. */
  fileBytes: number
  freeBytes: number | null
  freeFiles: number | null
}

export function roomOf({ limits, usage }: Pick<Me, 'limits' | 'usage'>): Room {
  return {
    fileBytes: limits.file_bytes,
    freeBytes: limits.bytes === null ? null : Math.max(0, limits.bytes - usage.bytes),
    freeFiles: limits.files === null ? null : Math.max(0, limits.files - usage.files),
  }
}

/** Why what was chosen can't be sent as it is. */
export type Excess =
  | { kind: 'bytes'; chosenBytes: number; freeBytes: number }
  | { kind: 'files'; chosenFiles: number; freeFiles: number }

/**
 * Whether all of it fits.
 *
 * The quota counts what unfinished uploads announced, so only files that the server doesn't know of are to be counted here.
 */
export function excessOf(chosen: { files: number; bytes: number }, room: Room): Excess | null {
  if (room.freeFiles !== null && chosen.files > room.freeFiles) {
    return { kind: 'files', chosenFiles: chosen.files, freeFiles: room.freeFiles }
  }
  if (room.freeBytes !== null && chosen.bytes > room.freeBytes) {
    return { kind: 'bytes', chosenBytes: chosen.bytes, freeBytes: room.freeBytes }
  }
  return null
}
