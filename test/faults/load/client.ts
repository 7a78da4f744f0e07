// What every way of sending a file has to hand.

import type { Oracle } from '../oracle.js'
import type { Place } from '../stage/stage.js'
import type { Connection } from './connection.js'

export interface Client {
  readonly place: Place
  readonly connection: Connection
  /** Another client's way to the same place. */
  readonly other: Connection
  readonly oracle: Oracle
  /** Where its line begins, and its credential, for libraries that ask by themselves. */
  readonly url: string
  readonly key: string
  readonly over: AbortSignal
}

/** This file is not gone on with: the oracle knows why. */
export class GivenUp extends Error {}
