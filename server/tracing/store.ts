// What the store does, and what it asks of S3, as spans. Pure, but for the spans.

import { SpanKind } from '@opentelemetry/api'
import type { Observer, S3Call, StoreCall } from '../storage/observed.js'
import { traced } from './span.js'

/**
 * Opening asks for nothing yet. A write is one of thousands: on S3 what becomes of them has spans of its own (`store.part`), on a
 * disk the sync tells how long they took.
 */
const UNTOLD: ReadonlySet<StoreCall['operation']> = new Set(['openTemporary', 'write', 'objectUrl', 'check'])

export const traceStore: Observer<StoreCall> = (call, run) => {
  if (UNTOLD.has(call.operation)) return run()
  const attributes = {
    ...(call.key === null ? {} : { 'antipasto.upload.id': call.key }),
    ...(call.sizeBytes === null ? {} : { 'antipasto.size_bytes': call.sizeBytes }),
  }
  return traced(`store.${call.operation}`, attributes, run)
}

/** By the conventions for remote calls, as AWS' SDKs are traced; how often it was tried is told in HTTP's words. */
export function traceS3(bucket: string): Observer<S3Call> {
  return (call, run) => {
    const method = `S3/${call.operation}`
    const attributes = { 'rpc.system.name': 'aws-api', 'rpc.method': method, 'aws.s3.bucket': bucket }
    return traced(
      method,
      attributes,
      (span) =>
        run().finally(() => {
          if (call.attempts > 1) span?.setAttribute('http.request.resend_count', call.attempts - 1)
        }),
      { kind: SpanKind.CLIENT },
    )
  }
}
