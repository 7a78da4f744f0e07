// GET /uploads with filter and sort, when there are few uploads and when there are very many, of a thousand owners each time.
// Ours only, and once: filling the database takes minutes.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { withClient, withDatabasesBeside } from '../database.js'
import { requestJson } from '../json-request.js'
import { listMetric, type Sample } from '../sample.js'
import { type BenchServer, startServer } from '../servers.js'
import type { Row } from './row.js'

const OWNER_COUNT = 1000
const REQUEST_COUNT = 100
/** Pages of the same length in both: with fewer uploads an owner has ten. */
const QUERIES = [
  'limit=10',
  'limit=10&sort=expires_at',
  'limit=10&state=ready&sort=-expires_at',
  'limit=10&state=receiving',
  'limit=10&state=deleted&sort=created_at',
  'limit=10&label=label-3',
  'limit=10&label=label-3&state=ready&sort=expires_at',
]

export const lists: Row = {
  name: 'lists',
  stores: ['local'],
  async run({ servers, round, workload }) {
    const ours = servers.find(({ name }) => name === 'ours')
    if (round !== 1 || ours === undefined) return []
    const counts = workload.listedUploadCounts
    const names = counts.map((count) => `bench_lists_${count}`)
    return withDatabasesBeside(ours.directory, names, async (databaseUrls) => {
      const started: BenchServer[] = []
      try {
        for (const [index, databaseUrl] of databaseUrls.entries()) {
          const directory = join(ours.directory, names[index] ?? '')
          await mkdir(directory, { recursive: true })
          const server = await startServer('ours', { directory, v8Flags: [], place: null, databaseUrl })
          started.push(server)
          await fill(server, databaseUrl, counts[index] ?? 0)
        }
        const p95Ms = await measure(started)
        const sample = (metric: string, value: number): Sample => ({
          metric,
          contender: 'ours',
          round,
          value,
        })
        const [few = 0, many = 0] = p95Ms
        return [
          ...counts.map((count, index) => sample(listMetric(count), p95Ms[index] ?? 0)),
          sample('lists', many / few),
        ]
      } finally {
        for (const server of started) await server.stop()
      }
    })
  },
}

/** The 95th percentile of each, their requests in turns: what slows the machine for a while slows all of them. */
async function measure(servers: readonly BenchServer[]): Promise<number[]> {
  const times = servers.map((): number[] => [])
  for (let turn = 0; turn < REQUEST_COUNT; turn++) {
    for (const query of QUERIES) {
      for (const [index, server] of servers.entries()) {
        const { elapsedMs } = await requestJson(server, 'GET', `/uploads?${query}`)
        if (turn > 0) times[index]?.push(elapsedMs)
      }
    }
  }
  return times.map((all) => all.sort((a, b) => a - b)[Math.floor(all.length * 0.95)] ?? Number.NaN)
}

/** Uploads of the owner of the bench's key and of 999 others, in all states, under ten labels. */
async function fill(server: BenchServer, databaseUrl: string, count: number): Promise<void> {
  await requestJson(server, 'POST', '/packages', { name: 'whose key this is' })
  await withClient(databaseUrl, async (client) => {
    await client.query('SET synchronous_commit = off')
    await client.query(
      `INSERT INTO uploads (id, owner, state, filename, content_type, label, size_bytes, offset_bytes, md5, sha1, sha256,
         retrieval_token, created_at, finished_at, expires_at, keep_until)
       SELECT left(hash, 40), CASE n % $2::int WHEN 0 THEN owner ELSE 'owner ' || n % $2::int END,
         (CASE nth % 10 WHEN 8 THEN 'receiving' WHEN 9 THEN 'deleted' ELSE 'ready' END)::"UploadState", n || '.csv', 'text/csv',
         'label-' || nth % 10, 1000, 1000, left(hash, 32), left(hash, 40), hash, hash, now() - nth * interval '1 minute',
         now(), now() + nth * interval '7 minutes' + interval '1 hour', now() + interval '30 days'
       FROM (SELECT owner FROM packages LIMIT 1) AS asker, generate_series(1, $1::int) AS n,
         LATERAL (SELECT encode(sha256(n::text::bytea), 'hex'), n / $2::int) AS its (hash, nth)`,
      [count, OWNER_COUNT],
    )
    await client.query('VACUUM ANALYZE uploads')
  })
}
