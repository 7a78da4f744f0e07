// After the last byte: what the server says has arrived, compared with what was read here. Pure.

import { DigestMismatch } from '../../api/errors.js'
import type { Report } from '../../api/types.js'

/** @throws DigestMismatch */
export function assertSame(report: Report, sizeBytes: number, sha256: string): void {
  if (report.size !== sizeBytes) {
    throw new DigestMismatch(`The server has ${report.size} bytes of it, and here are ${sizeBytes}.`)
  }
  const there = report.checksums?.sha256 ?? null
  if (there === sha256) return
  throw new DigestMismatch(`The server has bytes with SHA-256 ${there}, and here is ${sha256}.`)
}
