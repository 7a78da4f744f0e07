// A file as the server's lists have it, and whether it can be pulled. Pure.

import type { Report } from '../../api/types.js'
import { percentArrived } from '../../format.js'

export interface RemoteFile {
  readonly kind: 'file'
  /** The upload's; null when only its retrieval URL is known. */
  readonly id: string | null
  /** As the server has it: to be held against safe-path.ts. */
  readonly path: string
  readonly url: string
  /** Null: the answer tells. */
  readonly sizeBytes: number | null
  readonly sha256: string | null
}

export interface UnreadyFile {
  readonly kind: 'unready'
  readonly id: string
  readonly path: string
  /** Ends the sentence "<path> was not pulled: …". */
  readonly reason: string
}

export type Listed = RemoteFile | UnreadyFile

export function listed(report: Report): Listed {
  const { id, retrieval_url: url, size, checksums } = report
  const path = report.relative_path ?? report.filename ?? id
  if (report.state === 'ready' && url !== null) {
    return { kind: 'file', id, path, url, sizeBytes: size, sha256: checksums?.sha256 ?? null }
  }
  return { kind: 'unready', id, path, reason: whyUnready(report) }
}

function whyUnready({ state, offset, size, error }: Report): string {
  switch (state) {
    case 'receiving': {
      const percent = percentArrived(offset, size)
      return `it is not whole yet${percent === null ? '' : ` (${percent} % has arrived)`}`
    }
    case 'finalizing':
      return 'the server is still checking it; try again in a moment'
    case 'failed':
      return `it has failed${error === null ? '' : `: ${error.detail.replace(/\.$/, '')}`}`
    case 'ready':
      return 'it has no retrieval URL'
    default:
      return `it is ${state}`
  }
}
