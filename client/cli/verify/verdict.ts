// What a comparison of a local file with the server can come to. Pure.

export type Verdict =
  | 'same'
  | 'differs'
  /** The server has no file of that path, or content. */
  | 'missing there'
  /** The server has it, and here it is not. */
  | 'missing here'
  /** There it isn't ready: nothing can be said yet. */
  | 'not ready'
  /** Here it can't be read. */
  | 'unreadable'

export interface Verified {
  verdict: Verdict
  /** As the server calls it, or would. */
  path: string
  /** Null where there is nothing more to say. */
  detail: string | null
  /** Of the local file, where it was read. */
  sha256: string | null
  /** The server's. */
  remoteSha256: string | null
  uploadId: string | null
}

/** What the server has at a path. */
export interface RemoteContent {
  uploadId: string
  isReady: boolean
  sizeBytes: number | null
  sha256: string | null
}

/** Whether reading the local file could still change the verdict; else the verdict. */
export function verdictBySize(localBytes: number, remote: RemoteContent): Verdict | null {
  if (!remote.isReady) return 'not ready'
  return localBytes === remote.sizeBytes ? null : 'differs'
}

export function verdictByDigest(localSha256: string, remote: RemoteContent): Verdict {
  return localSha256 === remote.sha256 ? 'same' : 'differs'
}

export type VerdictCounts = Record<Verdict, number>

export function noVerdicts(): VerdictCounts {
  return { same: 0, differs: 0, 'missing there': 0, 'missing here': 0, 'not ready': 0, unreadable: 0 }
}
