// A few bytes in memory as what is sent: a small file, read once.

import type { UploadSource } from './upload-source.js'

/** @param sha256 of `bytes`, when the caller has it */
export function bytesSource(bytes: Uint8Array, sha256: string | null = null): UploadSource {
  return {
    sizeBytes: bytes.byteLength,
    async slice(start, end) {
      const part = bytes.subarray(start, end)
      // tus-js-client looks for `size`.
      return { value: Object.assign(part, { size: part.byteLength }), done: end >= bytes.byteLength }
    },
    async sha256() {
      return sha256
    },
  }
}
