import type { LeaseObserver } from '../uploads/leases.js'
import type { Families } from './registry.js'

/** A lease is waited for as long as its holder needs to store what it has, at most until it lapses. Seconds. */
const WAIT_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 12.5]

export function observeLeases(families: Families): LeaseObserver {
  const waits = families.histogram(
    {
      name: 'lease_wait_seconds',
      help: 'How long a request waited for a lease that somebody held: until it was "taken", "settled" (HEAD) or "locked".',
      labels: ['outcome'],
    },
    WAIT_BUCKETS,
  )
  const takeovers = families.counter({
    name: 'lease_takeovers_total',
    help: 'Leases that a newer request took from an older one.',
  })
  const losses = families.counter({
    name: 'lease_losses_total',
    help: 'Leases that requests of this instance lost: "asked" for by a newer one or by a deletion, or "lapsed" unnoticed.',
    labels: ['reason'],
  })
  for (const outcome of ['taken', 'settled', 'locked']) waits.zero({ outcome })
  for (const reason of ['asked', 'lapsed']) losses.inc({ reason }, 0)
  return {
    waited(outcome, milliseconds) {
      waits.observe({ outcome }, milliseconds / 1000)
      if (outcome === 'taken') takeovers.inc()
    },
    lost: (reason) => losses.inc({ reason }),
  }
}
