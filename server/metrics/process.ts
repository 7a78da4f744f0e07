// The process itself: prom-client's own metrics, the event loop's delay, and what was built.

import { collectDefaultMetrics } from 'prom-client'
import type { Families } from './registry.js'

/**
 * prom-client's gauges of the loop's lag. They are of the time since the last scrape, so that two readers spoil each other's,
 * quantiles of them can't be joined over instances, and an idle loop shows the 10 ms of their timer. Ours is a histogram.
 */
const LAG_GAUGES = ['', '_min', '_max', '_mean', '_stddev', '_p50', '_p90', '_p99'].map(
  (of) => `nodejs_eventloop_lag${of}_seconds`,
)
/** Lists of handles: long with many connections, and gauges called `_total`. */
const HANDLES = ['resources', 'handles', 'requests'].flatMap((of) => [
  `nodejs_active_${of}`,
  `nodejs_active_${of}_total`,
])
const LOOK_EVERY_MS = 50
const DELAY_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** Begins at once; what it returns ends it. */
export function watchProcess(families: Families): () => void {
  // Its timer for these gauges can't be left out: once a minute instead of a hundred times a second.
  collectDefaultMetrics({ register: families.registry, eventLoopMonitoringPrecision: 60_000 })
  for (const name of [...LAG_GAUGES, ...HANDLES]) families.registry.removeSingleMetric(name)

  const delay = families.histogram(
    {
      name: 'event_loop_delay_seconds',
      help: 'How much later than asked for a timer came, twenty times a second: what every request waits for the others.',
    },
    DELAY_BUCKETS,
  )
  let dueAtMs = performance.now() + LOOK_EVERY_MS
  const timer = setInterval(() => {
    const nowMs = performance.now()
    delay.observe(Math.max(0, nowMs - dueAtMs) / 1000)
    dueAtMs = nowMs + LOOK_EVERY_MS
  }, LOOK_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}

export interface Build {
  version: string
  store: string
  digestEngine: string
}

export function tellBuild(families: Families, { version, store, digestEngine }: Build): void {
  const info = families.gauge({
    name: 'build_info',
    help: 'Always 1; what runs here is in its labels.',
    labels: ['version', 'node', 'store', 'digest_engine'],
  })
  info.set({ version, node: process.version, store, digest_engine: digestEngine }, 1)
}
