// Acts a schedule out.

import { setTimeout as sleep } from 'node:timers/promises'
import { describeFault, type PlannedFault } from './schedule.js'
import type { Stage } from './stage/stage.js'

/**
 * Begins and ends every fault at its time; returns when all are undone.
 *
 * What can't be begun or undone doesn't keep the others from it: in the end an AggregateError tells all of that.
 *
 * @param log a line for each act, with the time since the start
 * @param signal once it is aborted nothing begins any more, and what has begun is undone at once
 */
export async function performSchedule(
  stage: Stage,
  schedule: readonly PlannedFault[],
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const startedAt = performance.now()
  const elapsedMs = () => performance.now() - startedAt
  const until = (atMs: number) =>
    sleep(Math.max(0, atMs - elapsedMs()), undefined, signal === undefined ? {} : { signal }).catch(() => {})
  const tell = (text: string) => log(`${(elapsedMs() / 1000).toFixed(2).padStart(8)} s  ${text}`)

  async function act(fault: PlannedFault): Promise<void> {
    await until(fault.atMs)
    if (signal?.aborted) return
    const name = describeFault(fault)
    tell(`${name} begins, for ${fault.lastsMs} ms`)
    const undo = await fault.begin(stage)
    await until(fault.untilMs)
    await undo()
    tell(`${name} has ended`)
  }

  const outcomes = await Promise.allSettled(schedule.map(act))
  const failures = outcomes.flatMap((outcome, i) => {
    const fault = schedule[i]
    if (outcome.status === 'fulfilled' || fault === undefined) return []
    return [new Error(`${describeFault(fault)}: ${String(outcome.reason)}`, { cause: outcome.reason })]
  })
  if (failures.length > 0) {
    throw new AggregateError(failures, failures.map(({ message }) => message).join('\n'))
  }
}
