// The fault suite's command line. Pure: arguments in, options out.

import { parseArgs } from 'node:util'

export interface FaultOptions {
  readonly seeds: readonly number[]
  readonly durationMs: number
  /** JSON, a line for each run. */
  readonly logFile: string | null
}

export const usage = `npm run test:faults -- [options]
  --seed N       repeats the run of that seed, as far as timing allows
  --seeds COUNT  so many fresh seeds, one after the other (1)
  --minutes M    of faults, for each seed (1)
  --hour         one seed for an hour
  --log FILE     a line of JSON for each run: counts, faults, violations, and the ends of the logs when there are any`

const MINUTE_MS = 60_000
const MOST_SEED = 0xffff_ffff

/** @param freshSeed a whole number that no run has had @throws Error that says what is wrong */
export function readOptions(args: string[], freshSeed: number): FaultOptions {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string', default: '1' },
      minutes: { type: 'string' },
      hour: { type: 'boolean', default: false },
      log: { type: 'string' },
    },
  })
  const count = Number(values.seeds)
  if (!Number.isInteger(count) || count < 1) throw new Error('--seeds takes a whole number from 1.')
  const minutes = values.hour ? 60 : Number(values.minutes ?? 1)
  if (!(minutes > 0)) throw new Error('--minutes takes a number above 0.')
  const first = Number(values.seed ?? freshSeed)
  if (!Number.isInteger(first) || first < 0 || first > MOST_SEED)
    throw new Error(`--seed takes 0 to ${MOST_SEED}.`)
  return {
    seeds: Array.from({ length: count }, (_, i) => (first + i) % (MOST_SEED + 1)),
    durationMs: minutes * MINUTE_MS,
    logFile: values.log ?? null,
  }
}
