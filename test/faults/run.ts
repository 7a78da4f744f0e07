// One run: the load begins, the faults of the seed's schedule come and go, all is mended, the load comes to its end, and then everything
// is compared.

import { setTimeout as sleep } from 'node:timers/promises'
import { startLoad } from './load/load.js'
import { Oracle, type Violation } from './oracle.js'
import { performSchedule } from './perform.js'
import { FAULTS, planSchedule } from './schedule.js'
import type { InstanceName, Stage } from './stage/stage.js'
import { type Compared, judge } from './verdict/verdict.js'

export interface RunOptions {
  readonly seed: number
  /** In which faults come; what comes after it takes as long again, at most. */
  readonly durationMs: number
  /** A line for each act and each violation, as it happens. */
  readonly log: (line: string) => void
}

export interface RunReport {
  readonly seed: number
  readonly tookMs: number
  /** How many faults of each kind there were. */
  readonly faults: Readonly<Record<string, number>>
  /** `PATCH 204` and how often. */
  readonly answers: Readonly<Record<string, number>>
  /** What clients did, and how often. */
  readonly acts: Readonly<Record<string, number>>
  /** Requests without an answer. */
  readonly broken: number
  readonly uploads: number
  readonly acknowledgedBytes: number
  readonly readBytes: number
  /** In the end, byte by byte. */
  readonly compared: Compared
  /** The longest time in which no client got anything done. */
  readonly longestOutageMs: number
  readonly violations: readonly Violation[]
  /** The ends of the instances' logs, when something was wrong. */
  readonly logs: Readonly<Partial<Record<InstanceName, string>>>
}

/** The last fault is undone then: processes take their time to start. */
const UNDO_TIMEOUT_MS = 120_000
/** Faults are over then: so long good clients may take to bring what they have begun to its end. */
const FINISH_TIMEOUT_MS = 90_000
const LOG_TAIL_CHARACTERS = 200_000

/** On a stage that is new, or renewed. Throws only when the stage itself breaks. */
export async function run(stage: Stage, { seed, durationMs, log }: RunOptions): Promise<RunReport> {
  const beganMs = performance.now()
  const oracle = new Oracle(({ atMs, kind, text }) =>
    log(`${(atMs / 1000).toFixed(2).padStart(8)} s  VIOLATION ${kind}: ${text}`),
  )
  const schedule = planSchedule({ seed, durationMs, missing: stage.missing })
  const load = await startLoad(stage, { seed, oracle })
  let compared: Compared = { files: 0, bytes: 0 }
  try {
    // A fault that can't be begun or undone is the stage's or the server's: what it leaves is judged all the same.
    await withinTime(performSchedule(stage, schedule, log), durationMs + UNDO_TIMEOUT_MS).catch(
      (error: unknown) => oracle.violate('fault', String(error)),
    )
    await stage.mend().catch((error: unknown) => oracle.violate('not mended', String(error)))
    await load.finish(FINISH_TIMEOUT_MS)
    oracle.rest()
    compared = await judge(stage, load, oracle)
  } finally {
    await load.end()
  }
  const { violations } = oracle
  return {
    seed,
    tookMs: Math.round(performance.now() - beganMs),
    faults: Object.fromEntries(
      FAULTS.map(({ kind }) => [kind, schedule.filter((fault) => fault.kind === kind).length]),
    ),
    answers: Object.fromEntries([...oracle.answers].sort()),
    acts: Object.fromEntries([...oracle.acts].sort()),
    broken: oracle.broken,
    uploads: oracle.sent.length,
    acknowledgedBytes: oracle.acknowledgedBytes,
    readBytes: oracle.readBytes,
    compared,
    longestOutageMs: Math.round(oracle.longestOutageMs),
    violations,
    logs: violations.length > 0 ? tailsOf(stage) : {},
  }
}

/** @throws after `timeoutMs`; what it waited for goes on, and is undone by `mend` */
async function withinTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  const timeout = new AbortController()
  const late = sleep(timeoutMs, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`some fault was not undone after ${timeoutMs} ms`)
  })
  late.catch(() => {})
  work.catch(() => {})
  await Promise.race([work, late]).finally(() => timeout.abort())
}

function tailsOf({ instances }: Stage): Record<InstanceName, string> {
  const tail = (name: InstanceName) => instances[name].logs().slice(-LOG_TAIL_CHARACTERS)
  return { a: tail('a'), b: tail('b'), disk: tail('disk') }
}
