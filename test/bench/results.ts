// What the bench writes as JSON, and draws. Types only.

import type { Verdict } from './aims.js'
import type { Machine } from './machine.js'
import type { BenchOptions } from './options.js'
import type { Sample, StoreName } from './sample.js'

/** All rounds of one kind of store with one set of flags. */
export interface Run {
  readonly store: StoreName
  /** The flag set's title. */
  readonly flags: string
  readonly samples: readonly Sample[]
  readonly verdicts: readonly Verdict[]
}

export interface Results {
  readonly machine: Machine
  readonly options: BenchOptions
  readonly runs: readonly Run[]
}
