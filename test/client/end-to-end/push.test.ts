// The promise of `antipasto push`: a folder and a big file arrive whole, each once, through a line that breaks, ten kill -9 of the
// client and three of the server; and what goes over the line a second time is only what nobody had acknowledged.
//
// TEST_PUSH_BYTES sets the big file's size, TEST_SEED the moments at which things break.

import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type CuttingProxy, startCuttingProxy } from '../../end-to-end/cutting-proxy.js'
import { withConnection } from '../../support/database.js'
import { createTestBucket, describeS3, type TestBucket } from '../../support/s3.js'
import { SEED } from '../../support/seed.js'
import { startServer, type TestServer } from '../../support/server.js'
import { type CliResult, type RunningCli, startCli } from '../cli/run.js'
import { expectArrived, reportsOf } from './arrival.js'
import { type Fault, planFaults } from './fault-plan.js'
import { type Journey, journeysOf, repeatedBytes } from './journeys.js'
import { type LocalFile, makeFile, makeFolder } from './local-files.js'
import { Traffic } from './traffic.js'

const MIB = 1024 * 1024
const FILE_COUNT = 500
const LABEL = 'lakes'
const MINUTES = 60_000

/** Ten kills of the client, three of the server. */
const FOLDER_FAULTS = { 'client killed': 6, 'server killed': 1, cut: 2, closed: 1, stalled: 1, slow: 1 }
const BIG_FILE_FAULTS = { 'client killed': 4, 'server killed': 2, cut: 2, closed: 2, stalled: 1, slow: 1 }

/** A PATCH is recorded every 64 MiB: one such stretch may be on its way to the disk while the next one fills. */
const UNRECORDED_BYTES = 2 * 64 * MIB
/** Files up to this size go in one request, which is repeated whole. */
const SMALL_BYTES = MIB
const SMALL_AT_ONCE = 16

interface Kept {
  readonly id: string
  readonly offsetBytes: number
  readonly atMs: number
}

let folder: string
let traffic: Traffic
let line: CuttingProxy
let server: TestServer
let bucket: TestBucket | undefined

beforeEach(async () => {
  folder = await mkdtemp(path.join(await roomyFolder(), 'antipasto-push-'))
  traffic = new Traffic()
  line = await startCuttingProxy(traffic.watchConnection)
})

afterEach(async () => {
  await line.close()
  await server.dispose()
  await bucket?.drop()
  bucket = undefined
  await rm(folder, { recursive: true, force: true })
}, MINUTES)

describe('antipasto push, on a server with a local store', () => {
  test(
    'brings 500 files and a big one through ten kills of the client and three of the server',
    async () => {
      server = await startServer({ dataDir: path.join(folder, 'data'), env: { PUBLIC_URL: line.url } })
      await pushThroughFaults(bigFileBytes(1024 * MIB))
    },
    10 * MINUTES,
  )
})

describeS3('antipasto push, on a server with an S3 store', () => {
  test(
    'brings 500 files and a big one through ten kills of the client and three of the server',
    async () => {
      bucket = await createTestBucket()
      server = await startServer({ env: { ...bucket.env(), PUBLIC_URL: line.url } })
      await pushThroughFaults(bigFileBytes(128 * MIB))
    },
    10 * MINUTES,
  )
})

async function pushThroughFaults(bigBytes: number): Promise<void> {
  line.forwardTo(server.url)
  const files = [
    ...(await makeFolder(path.join(folder, 'tree'), { fileCount: FILE_COUNT, seed: SEED })),
    await makeFile(path.join(folder, 'big.bin'), bigBytes, SEED),
  ]
  const folderBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - bigBytes
  const faults = planFaults(
    [
      { fromBytes: 1, toBytes: 0.95 * folderBytes, counts: FOLDER_FAULTS },
      { fromBytes: folderBytes, toBytes: folderBytes + 0.95 * bigBytes, counts: BIG_FILE_FAULTS },
    ],
    SEED,
  )
  const startedAt = performance.now()
  const run = new Run()
  try {
    for (const fault of faults) await run.meet(fault)
    const end = await run.finish()
    expect([end.exitCode, end.stderr]).toEqual([0, expect.anything()])
    await expectArrived(server, LABEL, files)
    const repeated = await expectNothingRepeated(files, run)
    console.info(
      `seed ${SEED}: ${Math.round(folderBytes / MIB)} + ${bigBytes / MIB} MiB in ${seconds(startedAt)} s, ` +
        `${run.clientKills} kills of the client, ${run.serverKilledAtMs.length} of the server; ${repeated}`,
    )
  } catch (error) {
    console.error(`TEST_SEED=${SEED}\n${run.printed()}`)
    throw error
  } finally {
    await run.stop()
  }
}

/** One push, begun again whenever it is killed, and all that happens to it. */
class Run {
  clientKills = 0
  readonly serverKilledAtMs: number[] = []
  /** What the server had acknowledged when a client or a server had been killed. */
  readonly kept: Kept[] = []
  readonly #ends: CliResult[] = []
  #client: RunningCli = this.#start()

  async meet({ kind, atBytes, afterMs }: Fault): Promise<void> {
    await Promise.race([
      traffic.reach(atBytes),
      this.#client.ended.then((end) => {
        throw new Error(
          `The client ended by itself, with exit code ${end.exitCode}:\n${end.stderr.slice(-2000)}`,
        )
      }),
    ])
    await sleep(afterMs)
    switch (kind) {
      case 'client killed':
        await this.#killClient()
        this.clientKills += 1
        await this.#noteKept()
        this.#client = this.#start()
        return
      case 'server killed':
        await server.kill()
        this.serverKilledAtMs.push(performance.now())
        await server.restart()
        await this.#noteKept()
        if (bucket !== undefined) await lapseLeases()
        return
      case 'cut':
        return line.cut('reset')
      case 'closed':
        return line.cut('close')
      case 'stalled':
        await Promise.race([line.stallAfter(1), sleep(500)])
        await sleep(500)
        return line.goOn()
      case 'slow':
        line.delay(5)
        await sleep(500)
        return line.delay(0)
    }
  }

  async finish(): Promise<CliResult> {
    const end = await this.#client.ended
    this.#ends.push(end)
    return end
  }

  async stop(): Promise<void> {
    await this.#killClient()
  }

  printed(): string {
    return this.#ends.map(({ stdout, stderr }) => stdout.slice(-2000) + stderr.slice(-2000)).join('\n----\n')
  }

  #start(): RunningCli {
    return startCli(['push', 'tree', 'big.bin', '--label', LABEL], {
      home: folder,
      server: { url: line.url, key: server.key },
    })
  }

  async #killClient(): Promise<void> {
    this.#client.kill('SIGKILL')
    this.#ends.push(await this.#client.ended)
  }

  async #noteKept(): Promise<void> {
    const atMs = performance.now()
    for (const { id, offset } of await reportsOf(server, { label: LABEL, state: 'receiving' }))
      this.kept.push({ id, offsetBytes: offset, atMs })
  }
}

/**
 * Asserts that no byte went to the server twice but those that it had not acknowledged, by what passed on the line.
 *
 * Requests that go on do so exactly at an acknowledged offset. What is repeated then was on its way when something broke: after a
 * client or the line, what the sockets in between held; after a server, also what no checkpoint had recorded. Small files
 * are repeated whole, as many as are sent at once.
 *
 * @returns the figures in a sentence
 */
async function expectNothingRepeated(files: readonly LocalFile[], run: Run): Promise<string> {
  const journeys = journeysOf(traffic.exchanges)
  const sizeOf = new Map(files.map(({ relativePath, sizeBytes }) => [relativePath, sizeBytes]))
  expect(journeys.map(({ relativePath }) => relativePath).sort()).toEqual([...sizeOf.keys()].sort())
  // None began anew.
  expect(journeys.filter(({ ids }) => ids.size !== 1)).toEqual([])

  const inFlightBytes = await socketBytes()
  const faults = { byClientOrLine: 0, byServer: 0 }
  let small = 0
  for (const journey of journeys) {
    const sizeBytes = sizeOf.get(journey.relativePath) ?? 0
    expectOnlyFromAcknowledged(journey, sizeBytes, run.kept)
    const losses = lossesOf(journey, run.serverKilledAtMs)
    const tooLarge = losses.filter(
      ({ lostBytes, isByServer }) => lostBytes > inFlightBytes + (isByServer ? UNRECORDED_BYTES : 0),
    )
    expect([journey.relativePath, tooLarge]).toEqual([journey.relativePath, []])
    for (const { lostBytes, isByServer } of losses) {
      if (isByServer) faults.byServer += lostBytes
      else faults.byClientOrLine += lostBytes
    }
    if (sizeBytes <= SMALL_BYTES) small += repeatedBytes(journey)
  }
  const breaks = FOLDER_FAULTS.cut + FOLDER_FAULTS.closed + FOLDER_FAULTS['client killed']
  const most = (run.clientKills + run.serverKilledAtMs.length + breaks) * SMALL_AT_ONCE * SMALL_BYTES
  expect(small).toBeLessThanOrEqual(most)
  const all = journeys.reduce((sum, journey) => sum + repeatedBytes(journey), 0)
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(2)} MiB`
  return (
    `sent twice: ${mib(all)} of ${mib(traffic.bodyBytes)}: after kills of the server ${mib(faults.byServer)}, ` +
    `of the client and breaks of the line ${mib(faults.byClientOrLine)}; small files among them ${mib(small)}`
  )
}

function expectOnlyFromAcknowledged(journey: Journey, sizeBytes: number, kept: readonly Kept[]): void {
  const wrong = journey.spans.filter(
    ({ startBytes, acknowledgedBytes, isCreation }) =>
      startBytes < acknowledgedBytes && !(isCreation && sizeBytes <= SMALL_BYTES),
  )
  expect([journey.relativePath, wrong]).toEqual([journey.relativePath, []])
  // And the same by the reports, which nobody told the client of.
  for (const { id, offsetBytes, atMs } of kept.filter(({ id }) => journey.ids.has(id))) {
    const after = journey.spans.filter(({ isCreation, beganAtMs }) => !isCreation && beganAtMs > atMs)
    expect([id, after.filter(({ startBytes }) => startBytes < offsetBytes)]).toEqual([id, []])
  }
}

/** Each time that it went on: what had gone to the server and has to go again, and whether a server had been killed meanwhile. */
function lossesOf(
  { spans }: Journey,
  serverKilledAtMs: readonly number[],
): { lostBytes: number; isByServer: boolean }[] {
  return spans.slice(1).map((span, index) => {
    const { startBytes = 0, lengthBytes = 0, beganAtMs = 0 } = spans[index] ?? {}
    return {
      lostBytes: Math.max(0, startBytes + lengthBytes - span.startBytes),
      isByServer: serverKilledAtMs.some((atMs) => atMs > beganAtMs && atMs < span.beganAtMs),
    }
  })
}

/** What one connection may hold between the proxy's write and the server's read, by the kernel's own limits. */
async function socketBytes(): Promise<number> {
  const most = async (name: string) =>
    Number((await readFile(`/proc/sys/net/ipv4/${name}`, 'utf8')).trim().split(/\s+/).at(-1))
  if (!existsSync('/proc/sys/net/ipv4/tcp_rmem')) return 16 * MIB
  return (await most('tcp_rmem')) + (await most('tcp_wmem'))
}

/** Those of a server that was killed would be waited out, 10 s each time. */
async function lapseLeases(): Promise<void> {
  await withConnection(String(server.databaseUrl), (connection) =>
    connection.query('UPDATE uploads SET lease_until = now() WHERE lease_until > now()'),
  )
}

/** In memory, where there is room for the files and for what a server keeps of them. */
async function roomyFolder(): Promise<string> {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = await statfs(memory)
  return bavail * bsize > 4 * bigFileBytes(1024 * MIB) ? memory : tmpdir()
}

function bigFileBytes(usual: number): number {
  return Number(process.env.TEST_PUSH_BYTES ?? usual)
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1)
}
