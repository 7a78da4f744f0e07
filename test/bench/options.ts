// The bench's command line. Pure: arguments in, options out.

import { parseArgs } from 'node:util'
import { fullWorkload, quickWorkload, STORE_NAMES, type StoreName, type Workload } from './sample.js'
import type { ServerName } from './servers.js'

/** What all servers are started with, and what the table calls it. */
export interface FlagSet {
  readonly title: string
  readonly v8Flags: readonly string[]
}

export interface BenchOptions {
  readonly roundCount: number
  readonly rowNames: readonly string[]
  readonly serverNames: readonly ServerName[]
  readonly storeNames: readonly StoreName[]
  readonly workload: Workload
  readonly flagSets: readonly FlagSet[]
  readonly jsonFile: string
  /** Where the picture goes; null: nowhere. */
  readonly svgFile: string | null
  /** Results that are only drawn, together: nothing is measured. Empty: the bench measures. */
  readonly drawFiles: readonly string[]
  /** The folder for CPU profiles; null: none are taken. */
  readonly profileDirectory: string | null
}

export const usage = `npm run bench -- [options]
  --rounds N     counted rounds, after one warm-up (5; 3 with --quick)
  --only A,B     rows, local: bigfile, parallel, crowd, smallfiles, download, ready, events,
                 packages, lists (fills a database with a million uploads), state, cli-smallfiles, cli-bigfile,
                 cli-memory (sends 100,000 files)
                 s3-sink: bigfile, crowd, smallfiles, instances, ready; s3: bigfile, smallfiles
                 download wants nginx beside ours, instances taskset: without them they are left out
  --servers A,B  contenders: bare, digests, ours
  --stores A,B   where they store: local, s3-sink, s3
                 (local: a folder; s3-sink: throws the bytes away, so the servers are what is measured;
                 s3: the server of TEST_S3_ENDPOINT, or else a radosgw in memory)
  --flags WHICH  npm-start (those that npm start gives ours), defaults or both (both)
  --quick        256 MiB instead of 1 GiB, 500 files instead of 2,000
  --json FILE    where every sample goes (bench-results.json)
  --svg FILE     draws what a reader wants to know first
  --draw A,B     measures nothing and draws these results together, to --svg
  --profile DIR  a .cpuprofile of each thread of each server, of each row's last round; prints what costs most
BENCH_DIR names the folder to store in (the system's temporary folder).`

/** As `npm start` in package.json. */
const startFlags = ['--single-threaded-gc', '--min-semi-space-size=16']
const asStarted: FlagSet = { title: startFlags.join(' '), v8Flags: startFlags }
const defaults: FlagSet = { title: "Node's defaults", v8Flags: [] }
const flagSetsByName: Readonly<Record<string, readonly FlagSet[]>> = {
  'npm-start': [asStarted],
  defaults: [defaults],
  both: [asStarted, defaults],
}

const allServers: readonly ServerName[] = ['bare', 'digests', 'ours']

/** Throws an Error that says what is wrong. */
export function readOptions(args: string[], allRowNames: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      only: { type: 'string' },
      servers: { type: 'string' },
      stores: { type: 'string' },
      flags: { type: 'string', default: 'both' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: 'bench-results.json' },
      svg: { type: 'string' },
      draw: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  if (values.draw !== undefined && values.svg === undefined)
    throw new Error('--draw needs --svg FILE, the picture.')
  const roundCount = Number(values.rounds ?? (values.quick ? 3 : 5))
  if (!Number.isInteger(roundCount) || roundCount < 1)
    throw new Error('--rounds takes a whole number from 1.')
  const flagSets = flagSetsByName[values.flags]
  if (flagSets === undefined) throw new Error(`--flags takes ${Object.keys(flagSetsByName).join(', ')}.`)
  return {
    roundCount,
    rowNames: choose('--only', values.only, allRowNames),
    serverNames: choose('--servers', values.servers, allServers),
    storeNames: choose('--stores', values.stores, STORE_NAMES),
    workload: values.quick ? quickWorkload : fullWorkload,
    flagSets,
    jsonFile: values.json,
    svgFile: values.svg ?? null,
    drawFiles: values.draw?.split(',') ?? [],
    profileDirectory: values.profile ?? null,
  }
}

/** Those of `known` that a comma list names, in the order of `known`; all when there is no list. */
function choose<T extends string>(
  option: string,
  list: string | undefined,
  known: readonly T[],
): readonly T[] {
  if (list === undefined) return known
  const named = list.split(',')
  const unknown = named.find((name) => !known.some((choice) => choice === name))
  if (unknown !== undefined)
    throw new Error(`${option} doesn't know ${unknown}: there are ${known.join(', ')}.`)
  return known.filter((choice) => named.includes(choice))
}
