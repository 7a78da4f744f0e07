// `npm run sweep`: once, now, and told in plain words.

import { parseArgs } from 'node:util'
import { AppError } from '../errors.js'
import { parseDurationSeconds } from '../units.js'
import { sentenceOf, summaryLines } from './mismatch.js'
import type { Reconciliation } from './reconcile.js'
import type { Sweep, Tell } from './sweep.js'

const USAGE = `Usage: npm run sweep -- [OPTIONS]
  --dry-run        say what would be expired and deleted, and do nothing
  --stray-age 24h  delete what no record knows when it is that old; less only while nothing is uploaded
  --reconcile      compare the records with the store, and do nothing; exit code 1 when something doesn't match
    --mark         write into the records what is lost, so that its owners see it
    --digests      read every object, and compare its SHA-256
    --json         a line of JSON for each mismatch, and one for the summary`

const MODES = {
  'dry-run': { type: 'boolean', default: false },
  'stray-age': { type: 'string' },
  reconcile: { type: 'boolean', default: false },
  mark: { type: 'boolean', default: false },
  digests: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

/** What of the options npm must not keep for itself. */
export const SWEEP_OPTIONS: readonly string[] = Object.keys(MODES)

/** @returns the exit code: 1 when records and store don't match */
export async function runSweepCommand(
  argv: readonly string[],
  { sweep, reconciliation }: { sweep: Sweep; reconciliation: Reconciliation },
  print: Tell,
): Promise<number> {
  const options = parse(argv)
  if (options.reconcile) return reconcile(options, reconciliation, print)
  await sweepOnce(options, sweep, print)
  return 0
}

interface SweepArguments {
  'dry-run': boolean
  reconcile: boolean
  mark: boolean
  digests: boolean
  json: boolean
  strayAgeSeconds: number | undefined
}

/** @throws INVALID_INPUT with the usage */
function parse(argv: readonly string[]): SweepArguments {
  const options = parsed(argv)
  const isSweeping = options['dry-run'] || options['stray-age'] !== undefined
  const isOfReconcile = options.mark || options.digests || options.json
  if (options.reconcile ? isSweeping : isOfReconcile) throw usage()
  const strayAge = options['stray-age']
  const strayAgeSeconds = strayAge === undefined ? undefined : parseDurationSeconds(strayAge)
  if (strayAge !== undefined && strayAgeSeconds === undefined) throw usage()
  return { ...options, strayAgeSeconds }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: MODES, allowPositionals: false }).values
  } catch {
    throw usage()
  }
}

function usage(): AppError {
  return new AppError('INVALID_INPUT', USAGE)
}

async function sweepOnce(options: SweepArguments, sweep: Sweep, print: Tell): Promise<void> {
  const isDryRun = options['dry-run']
  const { strayAgeSeconds } = options
  const report = await sweep.run(
    { isDryRun, ...(strayAgeSeconds === undefined ? {} : { strayAgeSeconds }) },
    print,
  )
  if (report === null) {
    print('Another instance is sweeping now. Nothing was done.')
    return
  }
  const { expired, packages, finalized, purged, forgotten, served, discarded, strays } = report
  print(
    `${isDryRun ? 'Would do' : 'Done'}: ${expired} expired, ${packages} packages expired, ${finalized} finished, ${purged} purged, ${forgotten} tombstones cleared, ` +
      `${served} parts of what is whole deleted, ${discarded} discarded deleted, ${strays} strays deleted.`,
  )
}

async function reconcile(
  options: SweepArguments,
  reconciliation: Reconciliation,
  print: Tell,
): Promise<number> {
  const summary = await reconciliation.run(
    { isMarking: options.mark, readsContent: options.digests },
    (mismatch, outcome) =>
      print(options.json ? JSON.stringify({ ...mismatch, outcome }) : sentenceOf(mismatch, outcome)),
  )
  if (options.json) print(JSON.stringify({ kind: 'summary', ...summary }))
  else for (const line of summaryLines(summary)) print(line)
  return summary.standing === 0 ? 0 : 1
}
