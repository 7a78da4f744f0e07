import type { SweepObserver } from '../sweep/sweep.js'
import type { Families } from './registry.js'

const SWEEP_BUCKETS = [0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600]

export function observeSweeps(families: Families): SweepObserver {
  const sweeps = families.counter({
    name: 'sweeps_total',
    help: 'Sweeps by outcome: "done", "elsewhere" (another instance was sweeping), "failed".',
    labels: ['outcome'],
  })
  const actions = families.counter({
    name: 'sweep_actions_total',
    help: 'What sweeps of this instance did, by action.',
    labels: ['action'],
  })
  const lastSuccess = families.gauge({
    name: 'sweep_last_success_timestamp_seconds',
    help: 'When a sweep of this instance last came to its end; 0 for never. Of several instances the newest counts.',
  })
  const duration = families.histogram(
    { name: 'sweep_duration_seconds', help: 'How long sweeps took that came to their end.' },
    SWEEP_BUCKETS,
  )
  for (const outcome of ['done', 'elsewhere', 'failed']) sweeps.inc({ outcome }, 0)
  return {
    swept(report, milliseconds) {
      sweeps.inc({ outcome: report === null ? 'elsewhere' : 'done' })
      if (report === null) return
      lastSuccess.setToCurrentTime()
      duration.observe(milliseconds / 1000)
      for (const [action, count] of Object.entries(report)) actions.inc({ action }, count)
    },
    failed: () => sweeps.inc({ outcome: 'failed' }),
  }
}
