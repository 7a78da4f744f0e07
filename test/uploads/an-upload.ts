import type { Upload } from '../../server/uploads/upload.js'

/** A record of an upload of 100 bytes that waits for its first one; `changes` make it another. */
export function anUpload(changes: Partial<Upload> = {}): Upload {
  return {
    id: 'a'.repeat(40),
    owner: 'somebody',
    state: 'receiving',
    filename: 'lake.csv',
    contentType: 'text/csv',
    key: null,
    label: null,
    relativePath: null,
    note: null,
    tusMetadata: null,
    sizeBytes: 100n,
    offsetBytes: 0n,
    digestState: null,
    declaredMd5: null,
    declaredSha1: null,
    declaredSha256: null,
    md5: null,
    sha1: null,
    sha256: null,
    retrievalToken: null,
    warnings: [],
    errorCode: null,
    errorDetail: null,
    createdAt: new Date('2026-01-01T00:00:00Z'),
    lastWriteAt: new Date('2026-01-01T00:00:00Z'),
    finishedAt: null,
    expiresAt: new Date('2026-01-31T00:00:00Z'),
    expiresInSeconds: 1000.9,
    leaseEpoch: 0n,
    isHeld: false,
    ...changes,
  }
}
