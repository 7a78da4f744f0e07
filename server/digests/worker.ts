// A thread of the digest pool. Does what it is asked, one job after the other, and answers in that order; all state is in
// the shared memory that the jobs bring along.

import { parentPort, workerData } from 'node:worker_threads'
import type { Algorithm } from './algorithm.js'
import { type EngineSeed, openEngine } from './engine-choice.js'
import { DigestState } from './state.js'

/** With `bytes`: take `state` through them. Without: answer with the state saved. */
export interface Job {
  algorithms: readonly Algorithm[]
  /** A DigestState's bytes, shared. */
  state: Uint8Array
  bytes?: Uint8Array
}

/** A saved state, when one was asked for. */
export type Answer = Uint8Array | null

if (parentPort === null) throw new Error('worker.js runs in a worker thread.')
const port = parentPort
const engine = openEngine(workerData as EngineSeed) // pool.ts sends nothing else

port.on('message', (job: Job) => port.postMessage(perform(job)))

function perform({ algorithms, state: stateBytes, bytes }: Job): Answer {
  const state = new DigestState(stateBytes)
  if (bytes === undefined) return state.save()
  engine.absorb(state, bytes, algorithms)
  return null
}
