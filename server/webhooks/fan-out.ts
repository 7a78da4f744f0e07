// From events to deliveries: for every webhook those it wants, once, whichever instance does it.

import type { EventRecord } from '../events/event.js'
import { randomDeliveryId } from './random.js'
import type { NewDelivery, WebhookRecords } from './records.js'
import { bodyOf, type EventSource, scopeOf, type Webhook, wants } from './webhook.js'

const WEBHOOKS_AT_ONCE = 100
const EVENTS_AT_ONCE = 500

export class FanOut {
  readonly #records: WebhookRecords
  readonly #events: EventSource

  constructor(records: WebhookRecords, events: EventSource) {
    this.#records = records
    this.#events = events
  }

  /** Makes deliveries of all that is new; ends early when `stop` is aborted. */
  async run(stop: AbortSignal): Promise<void> {
    // What is committed gets its place among the others, before it is asked who has missed something.
    await this.#events.newest()
    for (;;) {
      const behind = await this.#records.findBehind(WEBHOOKS_AT_ONCE)
      let moved = 0
      for (const webhook of behind) {
        if (stop.aborted) return
        if (await this.#advance(webhook)) moved += 1
      }
      // Those that stayed are another instance's now.
      if (moved === 0) return
    }
  }

  async #advance(webhook: Webhook): Promise<boolean> {
    const { events, next } = await this.#events.read(scopeOf(webhook), webhook.cursor, EVENTS_AT_ONCE)
    if (next <= webhook.cursor) return false
    const deliveries = events
      .filter(({ type }) => wants(webhook, type))
      .map((event) => deliveryOf(event, webhook))
    return this.#records.advance(webhook, next, deliveries)
  }
}

function deliveryOf(event: EventRecord, webhook: Webhook): NewDelivery {
  const id = randomDeliveryId(event.sequence)
  const body = bodyOf(event, { deliveryId: id, webhookId: webhook.id })
  return { id, sequence: event.sequence, type: event.type, body }
}
