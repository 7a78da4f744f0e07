// The end of a run: nothing is wrong any more but what went wrong for good. Waits until all is quiet, sweeps, and compares clients,
// records, stores, events and logs.

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { request } from 'undici'
import { withConnection } from '../../support/database.js'
import type { Load } from '../load/load.js'
import type { Oracle } from '../oracle.js'
import type { InstanceName, Place, Stage } from '../stage/stage.js'
import { judgeEvents, judgeReading } from './events.js'
import { judgeFiles } from './files.js'
import { judgeLog } from './logs.js'
import { type Records, readRecords } from './records.js'
import { judgeBucket, judgeFolder } from './stored.js'
import { judgeUploads } from './uploads.js'

const PLACES: readonly Place[] = ['cluster', 'disk']
const INSTANCES: readonly InstanceName[] = ['a', 'b', 'disk']

/** Leases lapse after 10 s, and what was left to others is taken up by the next sweep. */
const QUIET_TIMEOUT_MS = 60_000
const LOOK_AGAIN_MS = 250
const EVENTS_TIMEOUT_MS = 20_000

export interface Compared {
  readonly files: number
  readonly bytes: number
}

/** All that isn't as it should be goes to the oracle. The load must have finished. */
export async function judge(stage: Stage, load: Load, oracle: Oracle): Promise<Compared> {
  let files = 0
  let bytes = 0
  for (const place of PLACES) {
    const compared = await withConnection(stage[place].databaseUrl, (client) =>
      judgePlace(stage, { place, load, oracle, client }),
    )
    files += compared.files
    bytes += compared.bytes
  }
  for (const name of INSTANCES) await judgeInstance(stage, name, oracle)
  return { files, bytes }
}

interface Case {
  readonly place: Place
  readonly load: Load
  readonly oracle: Oracle
  readonly client: pg.Client
}

async function judgePlace(stage: Stage, { place, load, oracle, client }: Case): Promise<Compared> {
  const violate = (kind: string, text: string) => oracle.violate(kind, `${place}: ${text}`)
  const sent = oracle.sent.filter((each) => each.place === place)
  const planOf = (key: string) => oracle.planOf(key)
  await letExpire(
    client,
    sent.filter(({ isDone }) => isDone).map(({ id }) => id),
  )
  await sweepUntilQuiet(stage, place, client, violate)
  // What an operator would ask: the server's own word, which must be ours.
  const reconciled = await stage.sweep(place, { args: ['--reconcile'] })
  if (reconciled.exitCode !== 0) violate('reconcile finds', reconciled.output)
  const records = await readRecords(client)
  judgeUploads(records.uploads, { sent, planOf }, violate)
  judgeEvents(records.events, records.uploads, violate)
  for (const text of records.leftovers) violate('row of nobody', text)
  await judgeReadings(records, { place, load, violate })
  const { storeFolder, url, key } = stage[place]
  if (storeFolder === undefined) await judgeBucket(stage.bucket, records, violate)
  else await judgeFolder(storeFolder, records, violate)
  const packages = oracle.finalized.filter((each) => each.place === place)
  for (const { id, manifestSha256 } of packages)
    await judgePackage({ url, key }, id, manifestSha256, records, violate)
  return judgeFiles(url, records.uploads, planOf, violate)
}

/** Uploads that nobody heard of, since their creation wasn't answered, reach their end now instead of in a week. */
async function letExpire(client: pg.Client, doneIds: readonly string[]): Promise<void> {
  await client.query(
    `UPDATE uploads SET expires_at = now() WHERE state = 'receiving' AND finish <> 'once' AND id <> ALL($1)
     AND NOT COALESCE(lease_until > now(), false)`,
    [doneIds],
  )
}

/** Until no upload is on its way and nothing waits to be deleted, sweeping what no record knows, however young it is: nobody sends any more. */
async function sweepUntilQuiet(
  stage: Stage,
  place: Place,
  client: pg.Client,
  violate: (kind: string, text: string) => void,
): Promise<void> {
  const deadline = performance.now() + QUIET_TIMEOUT_MS
  for (;;) {
    const swept = await stage.sweep(place, { args: ['--stray-age', '0s'] })
    if (swept.exitCode !== 0) violate('sweep failed', swept.output)
    // One of the instances was at it: it does the same, but for strays.
    const isMine = !swept.output.includes('Another instance is sweeping')
    const unrest = await unrestOf(client)
    if (isMine && unrest.length === 0) return
    if (performance.now() > deadline)
      return violate('no rest', unrest.join('; ') || 'somebody is always sweeping')
    await sleep(LOOK_AGAIN_MS)
  }
}

async function unrestOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ text: string }>(`
    SELECT 'upload ' || id || ' is ' || state || COALESCE(' until ' || lease_until, '') AS text FROM uploads
    WHERE state IN ('receiving', 'finalizing') OR lease_until > now() OR restore_state IS NOT NULL
    UNION ALL SELECT 'garbage ' || kind || ' ' || object_key FROM garbage
    UNION ALL SELECT 'event ' || id || ' has no place yet' FROM events WHERE sequence IS NULL`)
  return rows.map(({ text }) => text)
}

async function judgeReadings(
  { events, uploads }: Records,
  { place, load, violate }: Pick<Case, 'place' | 'load'> & { violate: (kind: string, text: string) => void },
): Promise<void> {
  const owner = uploads[0]?.owner
  const last = events.findLast((event) => event.owner === owner)?.sequence ?? 0
  for (const { place: at, reading } of load.readings) {
    if (at !== place || owner === undefined) continue
    await reading.reach(last, EVENTS_TIMEOUT_MS)
    judgeReading(events, owner, reading, violate)
  }
}

/** A finalized package never changes: its manifest is the one that was answered, and its files are there. */
async function judgePackage(
  { url, key }: { url: string; key: string },
  id: string,
  manifestSha256: string,
  { uploads, packages }: Records,
  violate: (kind: string, text: string) => void,
): Promise<void> {
  const answer = await request(`${url}/packages/${id}/manifest`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const manifest = Buffer.from(await answer.body.arrayBuffer())
  const isSame = createHash('sha256').update(manifest).digest('hex') === manifestSha256
  if (answer.statusCode !== 200 || !isSame)
    violate('manifest changed', `package ${id}: ${answer.statusCode} ${manifest}`)
  const row = packages.find((each) => each.id === id)
  if (row?.state !== 'finalized')
    violate('package changed', `package ${id} was finalized, and is ${row?.state}.`)
  for (const upload of uploads) {
    if (
      upload.packageId === id &&
      upload.state !== 'ready' &&
      upload.concat !== 'partial' &&
      manifest.includes(upload.id)
    ) {
      violate('package changed', `upload ${upload.id} of finalized package ${id} is ${upload.state}.`)
    }
  }
}

async function judgeInstance(stage: Stage, name: InstanceName, oracle: Oracle): Promise<void> {
  const instance = stage.instances[name]
  const answer = await request(`${instance.url}/readyz`).catch((error: unknown) => error)
  const isReady = answer instanceof Object && 'statusCode' in answer && answer.statusCode === 200
  if (!isReady) oracle.violate('not ready', `instance ${name} after all: ${String(answer)}`)
  if (instance.crashes > 0)
    oracle.violate('crash', `instance ${name} ended ${instance.crashes} times by itself.`)
  judgeLog(name, instance.logs(), (kind, text) => oracle.violate(kind, text))
}
