// A thread of the digest pool. Does what it is asked, one job after the other, and answers in that order; all state is in
// the shared memory that the jobs bring along.

import { parentPort, workerData } from 'node:worker_threads'
import { Engine, type KernelModules } from './engine.js'
import type { KernelName } from './kernel.js'
import { DigestState } from './state.js'

/** With `bytes`: take `state` through them. Without: answer with the state saved. */
export interface Job {
  kernel: KernelName
  /** A DigestState's bytes, shared. */
  state: Uint8Array
  bytes?: Uint8Array
}

/** A saved state, when one was asked for. */
export type Answer = Uint8Array | null

if (parentPort === null) throw new Error('worker.js runs in a worker thread.')
const port = parentPort
const engine = new Engine(workerData as KernelModules) // pool.ts sends nothing else

port.on('message', (job: Job) => port.postMessage(perform(job)))

function perform({ kernel, state: stateBytes, bytes }: Job): Answer {
  const state = new DigestState(stateBytes)
  if (bytes === undefined) return state.save()
  engine.absorb(state, bytes, [kernel])
  return null
}
