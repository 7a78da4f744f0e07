// What a fault is. Each kind has a file beside this one: what it draws is pure, what it begins is always undone.

import type { Random } from '../random.js'
import type { InstanceName, Need, Stage } from '../stage/stage.js'

/** Ends a fault; resolves when the stage is as it was before, as far as other faults let it. */
export type Undo = () => Promise<void>

/** One kind of fault. */
export interface Fault {
  readonly kind: string
  /** How many cards it has in the deck that a schedule is dealt from. */
  readonly weight: number
  /** What the stage must have for it. */
  readonly need?: Need
  /** Pure: the same random gives the same. */
  draw(random: Random): Drawn
}

/** One of that kind, with all that was left to chance. */
export interface Drawn {
  /** Who suffers from it. */
  readonly target: string
  /** To be read by people. */
  readonly parameters: Readonly<Record<string, string | number>>
  readonly lastsMs: number
  /** How long those in `occupies` need to recover before another fault hits them. */
  readonly recoversMs: number
  /** Two faults that occupy the same don't overlap. */
  readonly occupies: readonly string[]
  begin(stage: Stage): Promise<Undo>
}

/** What takes all of a service away for long: one at a time, so that there is always something that could work. */
export const LONG_OUTAGE = 'a long outage'

/** Of an instance: nobody freezes what was just killed. */
export function processOf(instance: InstanceName): string {
  return `process of ${instance}`
}
