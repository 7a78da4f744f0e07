// A package of many files: how long it takes to be frozen, and what its manifest costs on the way out. Ours only.

import { withDatabase } from '../database.js'
import { requestJson, textMember } from '../json-request.js'
import { residentBytes } from '../memory.js'
import type { Sample } from '../sample.js'
import type { BenchServer } from '../servers.js'
import { MEGABYTE, type Row, settleDisk, withPeakMegabytes } from './row.js'

export const packages: Row = {
  name: 'packages',
  stores: ['local'],
  async run({ servers, round, workload }) {
    const samples: Sample[] = []
    for (const server of servers.filter(({ name }) => name === 'ours')) {
      const made = await requestJson(server, 'POST', '/packages', { name: `round ${round}` })
      const id = textMember(made.value, 'id')
      await fill(server, id, workload.packageFileCount)
      await settleDisk(server)
      server.startLoopDelay()
      const finalized = await requestJson(server, 'POST', `/packages/${id}/finalize`)
      const loopDelay = await server.stopLoopDelay()
      const beforeMegabytes = (await residentBytes(server.pid)) / MEGABYTE
      const { result: manifest, peakMegabytes } = await withPeakMegabytes(server, () =>
        requestJson(server, 'GET', `/packages/${id}/manifest`),
      )
      await empty(server, id)
      const sample = (metric: string, value: number): Sample => ({
        metric,
        contender: server.name,
        round,
        value,
      })
      samples.push(
        sample('packages', finalized.elapsedMs),
        sample('loop.packages', loopDelay.p99Ms),
        sample('manifest', manifest.elapsedMs),
        sample('memory.manifest', peakMegabytes - beforeMegabytes),
      )
    }
    return samples
  },
}

/** Ready files, as rows: finalizing reads nothing else of them. */
async function fill({ directory }: BenchServer, id: string, count: number): Promise<void> {
  await withDatabase(directory, (client) =>
    client.query(
      `INSERT INTO uploads (id, owner, state, filename, content_type, relative_path, package_id, package_path, size_bytes,
         offset_bytes, md5, sha1, sha256, retrieval_token, finished_at, expires_at, keep_until)
       SELECT left(encode(sha256((packages.id || n)::bytea), 'hex'), 40), owner, 'ready', n || '.csv', 'text/csv', path,
         packages.id, path, 1000, 1000, md5(n::text), left(encode(sha256(n::text::bytea), 'hex'), 40),
         encode(sha256(n::text::bytea), 'hex'), packages.id || n, now(), now() + interval '1 day', now() + interval '1 day'
       FROM packages, generate_series(1, $2::int) AS n, LATERAL (SELECT 'folder ' || n % 100 || '/' || n || '.csv') AS its (path)
       WHERE packages.id = $1`,
      [id, count],
    ),
  )
}

async function empty({ directory }: BenchServer, id: string): Promise<void> {
  await withDatabase(directory, async (client) => {
    await client.query('DELETE FROM uploads WHERE package_id = $1', [id])
    await client.query('DELETE FROM packages WHERE id = $1', [id])
  })
}
