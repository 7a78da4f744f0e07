// Webhooks: URLs that events are sent to by themselves.

import type { Connection } from './connection.js'
import { askJson, askNothing, jsonBody, query } from './json.js'
import { everyItem, MOST_PER_PAGE, type Page } from './pages.js'
import { at } from './routes.js'
import type { NewWebhook, Webhook, WebhookDelivery, WebhookWish } from './types.js'

export class Webhooks {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * Makes one, which begins with the next event. Its `secret` is shown here and never again, so this isn't repeated by itself.
   *
   * @throws InvalidInput saying why a URL is refused; Conflict when there are too many
   */
  create(wish: WebhookWish, signal?: AbortSignal): Promise<NewWebhook> {
    return askJson(this.#connection, at('/webhooks'), { method: 'POST', ...jsonBody(wish), signal })
  }

  /** Newest first, without their secrets. */
  list(signal?: AbortSignal): AsyncGenerator<Webhook, void, undefined> {
    return everyItem((cursor) =>
      askJson<Page<Webhook>>(this.#connection, at('/webhooks') + query({ limit: MOST_PER_PAGE, cursor }), {
        signal,
      }),
    )
  }

  /** Without its secret. @throws NotFound */
  get(id: string, signal?: AbortSignal): Promise<Webhook> {
    return askJson(this.#connection, at('/webhooks/{id}', { id }), { signal })
  }

  /** Ends it with its deliveries, those too that were to be tried again. True when it was there. */
  remove(id: string, signal?: AbortSignal): Promise<boolean> {
    return askNothing(this.#connection, at('/webhooks/{id}', { id }), { method: 'DELETE', signal })
  }

  /** What it was sent, newest first, and what came of it; for 30 days after it is over. */
  deliveries(id: string, signal?: AbortSignal): AsyncGenerator<WebhookDelivery, void, undefined> {
    const target = at('/webhooks/{id}/deliveries', { id })
    return everyItem((cursor) =>
      askJson<Page<WebhookDelivery>>(this.#connection, target + query({ limit: MOST_PER_PAGE, cursor }), {
        signal,
      }),
    )
  }

  /**
   * Sends it a test now and tells what came of it, which takes as long as the receiver does, at most 10 seconds.
   *
   * Not repeated by itself: each is sent.
   *
   * @throws NotFound
   */
  ping(id: string, signal?: AbortSignal): Promise<WebhookDelivery> {
    return askJson(this.#connection, at('/webhooks/{id}/ping', { id }), { method: 'POST', signal })
  }
}
