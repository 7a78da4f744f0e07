// What happens to uploads: bodies that come in, bytes that are acknowledged, ends, and reading again.

import type { UploadObserver } from '../uploads/observer.js'
import type { Families } from './registry.js'

/** Of one body: a file of a kilobyte to one of a terabyte. Seconds. */
const BODY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200]

export function observeUploads(families: Families): UploadObserver {
  const inFlight = families.gauge({
    name: 'uploads_in_flight',
    help: 'Bodies of uploads that are being received by this instance.',
  })
  const duration = families.histogram(
    {
      name: 'upload_body_duration_seconds',
      help: 'From the beginning of one body (a PATCH, a whole file) until what it brought is recorded.',
    },
    BODY_BUCKETS,
  )
  const acknowledged = families.counter({
    name: 'uploads_acknowledged_bytes_total',
    help: 'Bytes of uploads that became durable and recorded: no client is asked for them again.',
  })
  const finished = families.counter({
    name: 'uploads_finished_total',
    help: 'Uploads that were finished here: "ready", or the code of what they failed for.',
    labels: ['outcome'],
  })
  finished.inc({ outcome: 'ready' }, 0)
  const inline = families.counter({
    name: 'digest_inline_bytes_total',
    help: 'Bytes digested on the event loop, which short bodies are.',
  })
  const rereads = families.counter({
    name: 'rereads_total',
    help: 'Objects that had to be read again for their digests.',
  })
  const rereadBytes = families.counter({
    name: 'reread_bytes_total',
    help: 'Bytes that were read again for digests.',
  })

  return {
    beginBody() {
      const startedAtMs = performance.now()
      inFlight.inc()
      return () => {
        inFlight.dec()
        duration.observe((performance.now() - startedAtMs) / 1000)
      }
    },
    acknowledged: (bytes) => acknowledged.inc(bytes),
    digestedInline: (bytes) => inline.inc(bytes),
    finished: (outcome) => finished.inc({ outcome }),
    beganReread: () => rereads.inc(),
    reread: (bytes) => rereadBytes.inc(bytes),
  }
}
