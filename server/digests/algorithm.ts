// The three algorithms and what they have in common: a chaining value that is taken through blocks of 512 bits.

export const algorithms = ['md5', 'sha1', 'sha256'] as const

export type Algorithm = (typeof algorithms)[number]

export const BLOCK_BYTES = 64

/** Chaining values (FIPS 180-4's H, RFC 1321's A, B, C, D) side by side: where each begins in bytes, and its words of 32 bits. */
export const chainingValues = {
  md5: { offset: 0, wordCount: 4 },
  sha1: { offset: 16, wordCount: 5 },
  sha256: { offset: 36, wordCount: 8 },
} as const satisfies Record<Algorithm, { offset: number; wordCount: number }>

export const CHAINING_VALUES_BYTES = 68

/** Of no bytes: RFC 1321 §3.3, FIPS 180-4 §5.3.1 and §5.3.3. */
export const initialValues: Record<Algorithm, readonly number[]> = {
  md5: [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476],
  sha1: [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0],
  sha256: [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
}
