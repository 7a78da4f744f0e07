// What waits to be sent, as one. Pure.

import { onlyFolderOf } from './label.js'

export interface Chosen {
  files: number
  bytes: number
  /** The one folder that they come from. */
  folder: string | null
}

interface Waiting {
  size: number | null
  meta: { relativePath?: string }
}

export function chosenOf(files: readonly Waiting[]): Chosen {
  return {
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + (size ?? 0), 0),
    folder: onlyFolderOf(files.map(({ meta }) => meta.relativePath ?? null)),
  }
}

export function isSameChoice(one: Chosen, other: Chosen): boolean {
  return one.files === other.files && one.bytes === other.bytes && one.folder === other.folder
}
