// What goes wrong when, in one run. Pure: the same seed makes the same plan.

import { seededRandom, wholeBetween } from './seeded-random.js'

export const FAULT_KINDS = ['client killed', 'server killed', 'cut', 'closed', 'stalled', 'slow'] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  readonly kind: FaultKind
  /** When so many bytes of bodies have gone to the server, counted from the beginning … */
  readonly atBytes: number
  /** … and so many milliseconds have passed since: what doesn't send is hit, too. */
  readonly afterMs: number
}

/** Part of the way, and how often what happens there. */
export interface Stage {
  readonly fromBytes: number
  readonly toBytes: number
  readonly counts: Readonly<Partial<Record<FaultKind, number>>>
}

const LATEST_MS = 150

/** In the order of their bytes. */
export function planFaults(stages: readonly Stage[], seed: number): Fault[] {
  const random = seededRandom(seed)
  return stages
    .flatMap(({ fromBytes, toBytes, counts }) =>
      FAULT_KINDS.flatMap((kind) =>
        Array.from({ length: counts[kind] ?? 0 }, () => ({
          kind,
          atBytes: wholeBetween(random, fromBytes, toBytes),
          afterMs: random() < 0.5 ? 0 : wholeBetween(random, 0, LATEST_MS),
        })),
      ),
    )
    .sort((a, b) => a.atBytes - b.atBytes)
}
