import type { TailObserver } from '../events/tail.js'
import type { DeliveryObserver } from '../webhooks/dispatcher.js'
import type { Families } from './registry.js'
import { REQUEST_BUCKETS } from './registry.js'

const LAG_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export function observeTail(families: Families): TailObserver {
  const lag = families.histogram(
    {
      name: 'event_lag_seconds',
      help: 'While somebody waits for events: how old the oldest was when it got its place, and so could be read.',
    },
    LAG_BUCKETS,
  )
  return { placed: (seconds) => lag.observe(seconds) }
}

export function observeDeliveries(families: Families): DeliveryObserver {
  const attempts = families.counter({
    name: 'webhook_attempts_total',
    help: 'Webhook deliveries tried: "delivered", "failed" (tried again), "given_up", "cut" by a stop.',
    labels: ['outcome'],
  })
  const duration = families.histogram(
    { name: 'webhook_attempt_duration_seconds', help: 'How long receivers of webhooks took to answer.' },
    REQUEST_BUCKETS,
  )
  for (const outcome of ['delivered', 'failed', 'given_up', 'cut']) attempts.inc({ outcome }, 0)
  return {
    attempted(outcome, milliseconds) {
      attempts.inc({ outcome })
      duration.observe(milliseconds / 1000)
    },
  }
}
