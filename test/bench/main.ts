// `npm run bench`: three servers side by side, interleaved round by round, on each kind of store. Prints tables, writes every
// sample as JSON, and on demand a picture and CPU profiles.
// Linux only: it reads memory from /proc.

import { chmod, mkdir, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { aimsOf, judge } from './aims.js'
import { LoadClient } from './load-client.js'
import { describeMachine, type Machine } from './machine.js'
import { type BenchOptions, type FlagSet, readOptions, usage } from './options.js'
import { drawPicture } from './picture/picture.js'
import { ProfileFolder } from './profile/folder.js'
import type { Results, Run } from './results.js'
import { bigFile } from './rows/big-file.js'
import { cliBigFile, cliMemory, cliSmallFiles } from './rows/cli.js'
import { digestState } from './rows/digest-state.js'
import { download } from './rows/download.js'
import { events } from './rows/events.js'
import { instances } from './rows/instances.js'
import { lists } from './rows/lists.js'
import { packages } from './rows/packages.js'
import { crowd, parallel } from './rows/parallel.js'
import { ready } from './rows/ready.js'
import type { Row } from './rows/row.js'
import { smallFiles } from './rows/small-files.js'
import { openRealS3, openSink, type S3Place } from './s3-place.js'
import { metricsOf, type Sample, type StoreName } from './sample.js'
import { type BenchServer, startPeer, startServer } from './servers.js'
import { rotated } from './statistics.js'
import { renderSamples, renderVerdicts } from './table.js'

const allRows: readonly Row[] = [
  ...[bigFile, parallel, crowd, smallFiles, instances, download, ready, events, packages, lists, digestState],
  ...[cliSmallFiles, cliBigFile, cliMemory],
]
const storeTitles: Readonly<Record<StoreName, string>> = {
  local: 'In a local folder',
  's3-sink': 'On an S3 that throws the bytes away',
  s3: 'On a real S3 server',
}
/** One big upload at a time, or the crowd, beside what PostgreSQL and the ext4 journal need. */
const ROOM_FACTOR = 3
const CROWD_ROOM_FACTOR = 1.5

const options = readOptionsOrExit()
if (options.drawFiles.length > 0) {
  await draw(await readResults(options.drawFiles))
  process.exit()
}
const parentDirectory = process.env.BENCH_DIR ?? tmpdir()
await mkdir(parentDirectory, { recursive: true })
const directory = await mkdtemp(join(resolve(parentDirectory), 'antipasto-bench-'))
/** In the order of their starts. */
const running: BenchServer[] = []
let placing: Promise<S3Place | null> = Promise.resolve(null)
let cleaning: Promise<void> | undefined
const load = new LoadClient()
const profiles =
  options.profileDirectory === null ? undefined : await ProfileFolder.open(options.profileDirectory)
let seed = 0

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await cleanUp()
    process.exit(1)
  })
}
try {
  // The embedded PostgreSQL may run as another user, who has to reach its folder.
  await chmod(directory, 0o755)
  await expectRoom()
  const machine = await describeMachine(directory)
  printMachine(machine)
  const runs: Run[] = []
  const results: Results = { machine, options, runs }
  for (const store of options.storeNames) {
    for (const flagSet of options.flagSets) {
      runs.push(...(await measureOn(store, flagSet)))
      // It may take an hour: what was measured stays, however it ends.
      await writeFile(options.jsonFile, `${JSON.stringify(results, null, 2)}\n`)
    }
  }
  console.log(`\nEvery sample is in ${options.jsonFile}.`)
  await draw(results)
  if (profiles !== undefined) console.log(`\nWhat cost most:\n${await profiles.summary()}`)
} catch (error) {
  // After a signal everything fails.
  if (cleaning === undefined)
    for (const server of running) console.error(`${server.name} printed:\n${await server.printed()}`)
  throw error
} finally {
  await cleanUp()
}

/** Nothing where no such store can be had: that is said, and the others are measured. */
async function measureOn(store: StoreName, flagSet: FlagSet): Promise<Run[]> {
  const rows = allRows.filter(({ name, stores }) => options.rowNames.includes(name) && stores.includes(store))
  if (rows.length === 0) return []
  placing = openPlace(store)
  try {
    await placing
  } catch (error) {
    console.log(`\nSkipped: ${store}. ${error instanceof Error ? error.message : error}`)
    return []
  }
  const run = await measure(store, await placing, rows, flagSet)
  await closePlace()
  return [run]
}

async function openPlace(store: StoreName): Promise<S3Place | null> {
  if (store === 'local') return null
  return store === 's3-sink' ? openSink() : openRealS3()
}

/** All rounds of the rows with one set of flags. The first round only warms up. */
async function measure(
  store: StoreName,
  storePlace: S3Place | null,
  rows: readonly Row[],
  flagSet: FlagSet,
): Promise<Run> {
  const serverOptions = (name: string) => {
    const title = `${name}-${store}-${runningTitle(flagSet)}`
    return { directory: join(directory, title), v8Flags: flagSet.v8Flags, place: storePlace, profiles }
  }
  for (const name of options.serverNames) running.push(await startServer(name, serverOptions(name)))
  const servers = [...running]
  const ours = servers.find(({ name }) => name === 'ours')
  const needsPeer = ours !== undefined && rows.some((row) => row.needsPeer)
  const peer = needsPeer ? await startPeer(ours, serverOptions('peer')) : undefined
  if (peer !== undefined) running.push(peer)
  const samples: Sample[] = []
  for (let round = 0; round <= options.roundCount; round++) {
    for (const row of rows) {
      console.error(`${store}, ${flagSet.title}: round ${round} of ${options.roundCount}, ${row.name}`)
      profiles?.begin(`${store}-${runningTitle(flagSet)}-${row.name}`)
      const measured = await row.run({
        round,
        servers: rotated(servers, round),
        peer,
        store,
        sink: storePlace?.sink ?? null,
        load,
        workload: options.workload,
        nextSeed: () => ++seed,
      })
      if (round > 0) samples.push(...measured)
    }
  }
  await stopServers()
  const verdicts = aimsOf(options.workload, store).flatMap((aim) => judge(aim, samples) ?? [])
  const metrics = metricsOf(options.workload, store)
  console.log(`\n${storeTitles[store]}, servers with ${flagSet.title}, ${options.roundCount} rounds`)
  console.log(renderSamples(metrics, samples))
  if (verdicts.length > 0) console.log(`\n${renderVerdicts(metrics, verdicts)}`)
  return { store, flags: flagSet.title, samples, verdicts }
}

function runningTitle(flagSet: FlagSet): string {
  return flagSet.v8Flags.length === 0 ? 'defaults' : 'flags'
}

function readOptionsOrExit(): BenchOptions {
  try {
    return readOptions(
      process.argv.slice(2),
      allRows.map(({ name }) => name),
    )
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`)
    process.exit(2)
  }
}

async function expectRoom(): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  const { bigBytes, crowdBytes, crowdCount } = options.workload
  const neededBytes = Math.max(bigBytes * ROOM_FACTOR, crowdBytes * crowdCount * CROWD_ROOM_FACTOR)
  if (bavail * bsize >= neededBytes) return
  throw new Error(
    `The bench needs ${neededBytes} bytes free in ${directory}: set BENCH_DIR to a larger folder.`,
  )
}

/** What several runs of the bench wrote, on the machine and with the options of the first. */
async function readResults(files: readonly string[]): Promise<Results> {
  const all = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(file, 'utf8')) as Results),
  )
  const [first] = all
  if (first === undefined) throw new Error('There are no results to draw.')
  return { ...first, runs: all.flatMap(({ runs }) => runs) }
}

async function draw(results: Results): Promise<void> {
  if (options.svgFile === null) return
  await writeFile(options.svgFile, drawPicture(results))
  console.log(`The picture is ${options.svgFile}.`)
}

function printMachine({
  processor,
  processorCount,
  memoryBytes,
  system,
  fileSystem,
  versions,
}: Machine): void {
  const inMemory = fileSystem.type === 'tmpfs' ? ' (memory: no disk is measured)' : ''
  console.log(`${processor}, ${processorCount} cores, ${(memoryBytes / 1e9).toFixed(0)} GB, ${system}`)
  console.log(`stored on ${fileSystem.type}${inMemory}, mounted at ${fileSystem.mountPoint}`)
  console.log(
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  )
}

/** The last one first: it may work on the database of an earlier one. */
async function stopServers(): Promise<void> {
  for (const server of running.splice(0).reverse()) await server.stop()
}

async function closePlace(): Promise<void> {
  const place = await placing.catch(() => null)
  placing = Promise.resolve(null)
  await place?.close()
}

/** Once: the bench's end and a signal may meet. */
function cleanUp(): Promise<void> {
  cleaning ??= cleanUpNow()
  return cleaning
}

async function cleanUpNow(): Promise<void> {
  load.stop()
  await stopServers()
  await closePlace()
  await rm(directory, { recursive: true, force: true })
}
