// `npm run bench`: three servers side by side, interleaved round by round. Prints tables, writes every sample as JSON.
// Linux only: it reads memory from /proc.

import { chmod, mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { aimsOf, judge, type Verdict } from './aims.js'
import { LoadClient } from './load-client.js'
import { describeMachine, type Machine } from './machine.js'
import { type BenchOptions, type FlagSet, readOptions, usage } from './options.js'
import { bigFile } from './rows/big-file.js'
import { digestState } from './rows/digest-state.js'
import { download } from './rows/download.js'
import { parallel } from './rows/parallel.js'
import { ready } from './rows/ready.js'
import type { Row } from './rows/row.js'
import { smallFiles } from './rows/small-files.js'
import { metricsOf, type Sample } from './sample.js'
import { type BenchServer, startServer } from './servers.js'
import { rotated } from './statistics.js'
import { renderSamples, renderVerdicts } from './table.js'

const allRows: readonly Row[] = [bigFile, parallel, smallFiles, download, ready, digestState]
/** One big upload at a time, beside what PostgreSQL and the ext4 journal need. */
const ROOM_FACTOR = 3

interface Run {
  readonly flags: string
  readonly samples: readonly Sample[]
  readonly verdicts: readonly Verdict[]
}

const options = readOptionsOrExit()
const parentDirectory = process.env.BENCH_DIR ?? tmpdir()
await mkdir(parentDirectory, { recursive: true })
const directory = await mkdtemp(join(resolve(parentDirectory), 'antipasto-bench-'))
const running = new Set<BenchServer>()
const load = new LoadClient()
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
  for (const flagSet of options.flagSets) runs.push(await measure(flagSet))
  await writeFile(options.jsonFile, `${JSON.stringify({ machine, options, runs }, null, 2)}\n`)
  console.log(`\nEvery sample is in ${options.jsonFile}.`)
} catch (error) {
  for (const server of running) console.error(`${server.name} printed:\n${await server.printed()}`)
  throw error
} finally {
  await cleanUp()
}

/** All rounds of all rows with one set of flags. The first round only warms up. */
async function measure(flagSet: FlagSet): Promise<Run> {
  const rows = allRows.filter(({ name }) => options.rowNames.includes(name))
  for (const name of options.serverNames) {
    running.add(await startServer(name, join(directory, `${name}-${runningTitle(flagSet)}`), flagSet.v8Flags))
  }
  const servers = [...running]
  const samples: Sample[] = []
  for (let round = 0; round <= options.roundCount; round++) {
    for (const row of rows) {
      console.error(`${flagSet.title}: round ${round} of ${options.roundCount}, ${row.name}`)
      const measured = await row.run({
        round,
        servers: rotated(servers, round),
        load,
        workload: options.workload,
        nextSeed: () => ++seed,
      })
      if (round > 0) samples.push(...measured)
    }
  }
  await stopServers()
  const verdicts = aimsOf(options.workload).flatMap((aim) => judge(aim, samples) ?? [])
  const metrics = metricsOf(options.workload)
  console.log(`\nServers with ${flagSet.title}, ${options.roundCount} rounds`)
  console.log(renderSamples(metrics, samples))
  if (verdicts.length > 0) console.log(`\n${renderVerdicts(metrics, verdicts)}`)
  return { flags: flagSet.title, samples, verdicts }
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
  const neededBytes = options.workload.bigBytes * ROOM_FACTOR
  if (bavail * bsize >= neededBytes) return
  throw new Error(
    `The bench needs ${neededBytes} bytes free in ${directory}: set BENCH_DIR to a larger folder.`,
  )
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

async function stopServers(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()))
  running.clear()
}

async function cleanUp(): Promise<void> {
  load.stop()
  await stopServers()
  await rm(directory, { recursive: true, force: true })
}
