// What an upload passes inside this process: slabs and digest threads.

import type { DigestPool } from '../digests/pool.js'
import type { SlabPool } from '../digests/slabs.js'
import type { Families } from './registry.js'

export function watchSlabs(families: Families, slabs: Pick<SlabPool, 'inUse' | 'limit' | 'waiting'>): void {
  families.readOnScrape(
    {
      name: 'slabs',
      help: 'Buffers for bytes on their way, by state: "in_use", "free", and requests "waiting" for one.',
      labels: ['state'],
    },
    () => [
      { of: { state: 'in_use' }, value: slabs.inUse },
      { of: { state: 'free' }, value: slabs.limit - slabs.inUse },
      { of: { state: 'waiting' }, value: slabs.waiting },
    ],
  )
}

export function watchDigests(families: Families, pool: Pick<DigestPool, 'engine' | 'load'>): void {
  families.readOnScrape(
    {
      name: 'digest_jobs',
      help: 'Jobs of digest threads, by state: "running", and "waiting" for a thread that has others before.',
      labels: ['state'],
    },
    () => {
      const { running, waiting } = pool.load()
      return [
        { of: { state: 'running' }, value: running },
        { of: { state: 'waiting' }, value: waiting },
      ]
    },
  )
  families.countedElsewhere(
    {
      name: 'digest_bytes_total',
      help: 'Bytes digested by threads, by the engine that does it.',
      labels: ['engine'],
    },
    () => [{ of: { engine: pool.engine }, value: pool.load().bytes }],
  )
}
