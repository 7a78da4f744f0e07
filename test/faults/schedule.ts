// When which fault begins and ends. Pure: a seed gives a schedule, and the same seed the same.

import { clientLine } from './faults/client-line.js'
import { clockStep } from './faults/clock-step.js'
import { databaseLine } from './faults/database-line.js'
import type { Drawn, Fault } from './faults/fault.js'
import { freeze } from './faults/freeze.js'
import { fullDatabase, fullStore } from './faults/full-disk.js'
import { gateway } from './faults/gateway.js'
import { kill } from './faults/kill.js'
import { postgres } from './faults/postgres.js'
import { restart } from './faults/restart.js'
import { s3Cut, s3Trouble } from './faults/s3-trouble.js'
import { sweepStorm } from './faults/sweep-storm.js'
import { type Random, randomFrom } from './random.js'
import type { Need } from './stage/stage.js'

export const FAULTS: readonly Fault[] = [
  kill,
  restart,
  freeze,
  clientLine,
  databaseLine,
  s3Trouble,
  s3Cut,
  gateway,
  postgres,
  fullStore,
  fullDatabase,
  clockStep,
  sweepStorm,
]

export interface PlannedFault extends Drawn {
  readonly kind: string
  /** From the start of the schedule. */
  readonly atMs: number
  /** When it is undone; never later than the schedule's end. */
  readonly untilMs: number
}

export interface SchedulePlan {
  readonly seed: number
  readonly durationMs: number
  /** What the stage can't do: faults that need it are left out. */
  readonly missing?: { has(need: Need): boolean }
}

/** The clients have begun when the first fault comes. */
const FIRST_MS = 1_500
const LEAST_GAP_MS = 200
const LARGEST_GAP_MS = 2_200
/** Together; beyond that nothing is learnt but that nothing works. */
const MAX_AT_ONCE = 4

/**
 * The faults of a run, by their begin.
 *
 * They are dealt from a shuffled deck, so that every kind has its turn. Two that occupy the same don't overlap, nor comes
 * one before the other's victim has had its time to recover.
 */
export function planSchedule({ seed, durationMs, missing }: SchedulePlan): PlannedFault[] {
  const random = randomFrom(seed).fork('schedule')
  const kinds = FAULTS.filter(({ need }) => need === undefined || missing?.has(need) !== true)
  const planned: PlannedFault[] = []
  /** Of those: what still goes on, or recovers. */
  let recent: PlannedFault[] = []
  let deck: Fault[] = []
  for (let atMs = FIRST_MS; atMs < durationMs; atMs += random.integer(LEAST_GAP_MS, LARGEST_GAP_MS)) {
    if (deck.length === 0) deck = shuffledDeck(kinds, random)
    recent = recent.filter(({ untilMs, recoversMs }) => untilMs + recoversMs > atMs)
    // The next card that can be played now; the others keep their place.
    for (const [i, fault] of deck.entries()) {
      const drawn = fault.draw(random)
      const next = { ...drawn, kind: fault.kind, atMs, untilMs: atMs + drawn.lastsMs }
      if (next.untilMs > durationMs || !fits(next, recent)) continue
      planned.push(next)
      recent.push(next)
      deck.splice(i, 1)
      break
    }
  }
  return planned
}

/** One line, for people. */
export function describeFault({ kind, target, parameters }: Omit<PlannedFault, 'begin'>): string {
  const words = Object.entries(parameters).map(([name, value]) => `${name}=${value}`)
  return [kind, target, ...words].join(' ')
}

function shuffledDeck(kinds: readonly Fault[], random: Random): Fault[] {
  return random.shuffle(kinds.flatMap((fault) => Array.from({ length: fault.weight }, () => fault)))
}

/** @param recent what goes on, or recovers, when `next` begins */
function fits(next: PlannedFault, recent: readonly PlannedFault[]): boolean {
  if (recent.filter(({ untilMs }) => untilMs > next.atMs).length >= MAX_AT_ONCE) return false
  return !recent.some(({ occupies }) => occupies.some((one) => next.occupies.includes(one)))
}
