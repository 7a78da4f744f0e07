// Members that many answers have. Pure.

import { z } from 'zod'

/** A point in time, as every answer of ours has it: RFC 3339 in UTC. */
export const timeAnswer = z.iso.datetime()

/** A size or an offset, in bytes. */
export const byteCount = z.int().min(0)

/** A digest as every answer of ours has it: lowercase hex. */
export function digestAnswer(algorithm: 'md5' | 'sha1' | 'sha256') {
  const digits = { md5: 32, sha1: 40, sha256: 64 }[algorithm]
  return z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`))
}

/** All three, of the bytes that arrived. */
export const checksumsAnswer = z.object({
  md5: digestAnswer('md5'),
  sha1: digestAnswer('sha1'),
  sha256: digestAnswer('sha256'),
})
