// What the server has of a package, asked of the server itself: its reports, and the bytes behind the retrieval URLs.

import { createHash } from 'node:crypto'
import { get } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { expect } from '@jest/globals'
import type { Report } from '../../../server/uploads/report.js'
import type { LocalFile } from './local-files.js'

const FETCHES_AT_ONCE = 4

interface Origin {
  readonly url: string
  readonly key: string
}

/**
 * Asserts that the label's package holds exactly `files`, each path once and ready, and that reports and bytes have the digests of
 * what is here.
 */
export async function expectArrived(
  origin: Origin,
  label: string,
  files: readonly LocalFile[],
): Promise<void> {
  const reports = await reportsOf(origin, { label })
  const told = reports.map((report) => ({
    relativePath: report.relative_path,
    state: report.state,
    sizeBytes: report.size,
    sha256: report.checksums?.sha256,
  }))
  const wanted = files.map((file) => ({ ...file, state: 'ready' }))
  const byPath = (a: { relativePath: string | null }, b: { relativePath: string | null }) =>
    String(a.relativePath) < String(b.relativePath) ? -1 : 1
  expect(told.sort(byPath)).toEqual(wanted.sort(byPath))
  expect(new Set(reports.map((report) => report.package_id)).size).toBe(1)

  const queue = reports.values()
  const fetchAll = async () => {
    for (const report of queue) {
      const fetched = await sha256At(origin, String(report.retrieval_url))
      expect([report.relative_path, fetched]).toEqual([report.relative_path, report.checksums?.sha256])
    }
  }
  await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, fetchAll))
}

/** Every report that the query finds. */
export async function reportsOf(origin: Origin, query: Record<string, string>): Promise<Report[]> {
  const reports: Report[] = []
  let cursor: string | null = null
  do {
    const search = new URLSearchParams({ ...query, limit: '500', ...(cursor === null ? {} : { cursor }) })
    const response = await fetch(`${origin.url}/uploads?${search}`, {
      headers: { Authorization: `Bearer ${origin.key}` },
    })
    expect(response.status).toBe(200)
    const page = (await response.json()) as { items: Report[]; next_cursor: string | null }
    reports.push(...page.items)
    cursor = page.next_cursor
  } while (cursor !== null)
  return reports
}

/** Of the bytes behind a retrieval URL, asked of the server and not of whatever its PUBLIC_URL leads through. */
async function sha256At({ url }: Origin, retrievalUrl: string): Promise<string> {
  const { pathname } = new URL(retrievalUrl)
  const hash = createHash('sha256')
  await new Promise<void>((resolve, reject) => {
    get(`${url}${pathname}`, (response) => {
      expect(response.statusCode).toBe(200)
      pipeline(response, hash).then(resolve, reject)
    }).once('error', reject)
  })
  return hash.digest('hex')
}
