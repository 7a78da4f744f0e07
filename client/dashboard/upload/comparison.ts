// Whether a file on this computer is the one that was sent. Pure.

import type { Report } from '../../api/types.js'

export const ALGORITHMS = ['md5', 'sha1', 'sha256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]
export type Digests = NonNullable<Report['checksums']>

/** As EML and PASTA write them. */
export const ALGORITHM_NAMES = { md5: 'MD5', sha1: 'SHA-1', sha256: 'SHA-256' } as const

export type Comparison =
  | { kind: 'equal' }
  /** By its size alone: nothing had to be read. */
  | { kind: 'size'; localBytes: number; sentBytes: number }
  | { kind: 'digests'; differing: Algorithm[]; local: Digests }

/** What the sizes tell; null: the file has to be read. */
export function compareSizes(localBytes: number, sentBytes: number | null): Comparison | null {
  if (sentBytes === null || localBytes === sentBytes) return null
  return { kind: 'size', localBytes, sentBytes }
}

export function compareDigests(local: Digests, sent: Digests): Comparison {
  const differing = ALGORITHMS.filter((algorithm) => local[algorithm] !== sent[algorithm])
  return differing.length === 0 ? { kind: 'equal' } : { kind: 'digests', differing, local }
}

/** What was declared of a file that failed for it, beside what arrived: only what was declared. */
export function mismatches({
  declared_checksums: declared,
  checksums: arrived,
}: Pick<Report, 'declared_checksums' | 'checksums'>): Mismatch[] {
  return ALGORITHMS.flatMap((algorithm) => {
    const [expected, found] = [declared[algorithm], arrived?.[algorithm] ?? null]
    return expected === null || found === null || expected === found ? [] : [{ algorithm, expected, found }]
  })
}

export interface Mismatch {
  algorithm: Algorithm
  expected: string
  found: string
}
