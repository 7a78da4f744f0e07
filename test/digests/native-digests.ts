// What ours are compared with: node:crypto.

import { createHash } from 'node:crypto'
import type { Digests } from '../../server/digests/finish.js'

export function nativeDigests(...pieces: Uint8Array[]): Digests {
  const of = (algorithm: string): string => {
    const hash = createHash(algorithm)
    for (const piece of pieces) hash.update(piece)
    return hash.digest('hex')
  }
  return { md5: of('md5'), sha1: of('sha1'), sha256: of('sha256') }
}
