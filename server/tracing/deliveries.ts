// An attempt to deliver an event as a span. It carries no `traceparent` out: receivers are strangers, to whom our traces say
// nothing; and of the URL, which may hold a secret, nothing is told.

import { SpanKind } from '@opentelemetry/api'
import { tellFailure, traced } from './span.js'

export interface TracedDelivery {
  id: string
  webhookId: string
  type: string
}

/** Does `send` as a trace of its own: the request that made the event is long over. */
export function tracedDelivery<Attempt extends { status: number | null; error: string | null }>(
  { id, webhookId, type }: TracedDelivery,
  send: () => Promise<Attempt>,
): Promise<Attempt> {
  const attributes = {
    'http.request.method': 'POST',
    'antipasto.delivery.id': id,
    'antipasto.webhook.id': webhookId,
    'antipasto.event.type': type,
  }
  return traced(
    'webhook.send',
    attributes,
    async (span) => {
      const attempt = await send()
      if (attempt.status !== null) span?.setAttribute('http.response.status_code', attempt.status)
      if (span !== null && attempt.error !== null) tellFailure(span, String(attempt.status ?? 'NO_ANSWER'))
      return attempt
    },
    { isRoot: true, kind: SpanKind.CLIENT },
  )
}
