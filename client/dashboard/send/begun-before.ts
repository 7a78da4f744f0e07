// Which of the files that were dropped the server has begun to receive already. Pure.

import type { Report } from '../../api/types.js'

export interface Candidate {
  name: string
  sizeBytes: number
  /** In the folder that was dropped; null outside of one. */
  relativePath: string | null
}

/**
 * The unfinished upload that `file` may be the rest of: of the same name and size, and of the same path where both have one.
 * The one that is furthest on, of several.
 *
 * Whether it is the same file only its bytes can tell.
 */
export function begunBefore(file: Candidate, unfinished: readonly Report[]): Report | null {
  let best: Report | null = null
  for (const report of unfinished) {
    if (report.state !== 'receiving' || report.offset === 0) continue
    if (report.filename !== file.name || report.size !== file.sizeBytes) continue
    const isElsewhere =
      report.relative_path !== null &&
      file.relativePath !== null &&
      report.relative_path !== file.relativePath
    if (!isElsewhere && (best === null || report.offset > best.offset)) best = report
  }
  return best
}
