// What a file of a package is called, and whether it stands there. Pure.

import type { Report, UploadState } from '../../api/types.js'

/** Where it stands in the package, or was sent for: the server's rule. */
export function pathOf({
  relative_path: path,
  filename,
  id,
}: Pick<Report, 'relative_path' | 'filename' | 'id'>): string {
  return path ?? filename?.normalize('NFC') ?? id
}

export function isStanding(state: UploadState): boolean {
  return state === 'receiving' || state === 'finalizing' || state === 'ready'
}
