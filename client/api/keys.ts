// API keys: made for programs, with at most the rights of who makes them.

import type { Connection } from './connection.js'
import { askJson, askNothing, jsonBody, query } from './json.js'
import { everyItem, MOST_PER_PAGE, type Page } from './pages.js'
import { at } from './routes.js'
import type { ApiKey, ApiKeyWish, NewApiKey } from './types.js'

export class Keys {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Makes one. Its `key` is shown here and never again, so this isn't repeated by itself. */
  create(wish: ApiKeyWish, signal?: AbortSignal): Promise<NewApiKey> {
    return askJson(this.#connection, at('/api-keys'), { method: 'POST', ...jsonBody(wish), signal })
  }

  /** Newest first, those that ended, too; without the keys themselves. */
  list(signal?: AbortSignal): AsyncGenerator<ApiKey, void, undefined> {
    return everyItem((cursor) =>
      askJson<Page<ApiKey>>(this.#connection, at('/api-keys') + query({ limit: MOST_PER_PAGE, cursor }), {
        signal,
      }),
    )
  }

  /** From now on it is refused. True when there is such a key; a second time changes nothing. */
  revoke(id: string, signal?: AbortSignal): Promise<boolean> {
    return askNothing(this.#connection, at('/api-keys/{id}', { id }), { method: 'DELETE', signal })
  }
}
