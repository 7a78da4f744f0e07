// The typed client of an antipasto server, for Node and browsers. What only Node can do is in node/.

import { Connection, type ConnectionOptions } from './connection.js'
import { type Credentials, fixedCredential } from './credentials.js'
import { type EventOptions, events } from './events.js'
import { Files } from './files.js'
import { askJson } from './json.js'
import { Keys } from './keys.js'
import { Packages } from './packages.js'
import { at } from './routes.js'
import type { Event, Me, SignIn } from './types.js'
import { Uploads } from './uploads.js'
import { Webhooks } from './webhooks.js'

export interface AntipastoOptions extends Omit<ConnectionOptions, 'credentials'> {
  /** A key or a token that stays the same … */
  token?: string | null
  /** … or where to have one from, and a new one when it has ended. */
  credentials?: Credentials
}

/**
 * ```ts
 * const antipasto = new Antipasto({ url: 'https://staging.example.org', token: 'ap_…' })
 * for await (const report of antipasto.uploads.list({ label: 'lakes' })) console.log(report.filename, report.state)
 * ```
 */
export class Antipasto {
  readonly connection: Connection
  readonly uploads: Uploads
  readonly packages: Packages
  readonly files: Files
  readonly keys: Keys
  readonly webhooks: Webhooks

  constructor({ token = null, credentials = fixedCredential(token), ...options }: AntipastoOptions) {
    this.connection = new Connection({ ...options, credentials })
    this.uploads = new Uploads(this.connection)
    this.packages = new Packages(this.connection)
    this.files = new Files(this.connection)
    this.keys = new Keys(this.connection)
    this.webhooks = new Webhooks(this.connection)
  }

  /** Who asks, what they may, use and have left. */
  me(signal?: AbortSignal): Promise<Me> {
    return askJson(this.connection, at('/me'), { signal })
  }

  /** How people may sign in. Needs no credential. */
  signIn(signal?: AbortSignal): Promise<SignIn> {
    return askJson(this.connection, at('/sign-in'), { isAnonymous: true, signal })
  }

  /** What has happened, in order, none twice; with `follow` for ever, over every break (events.ts). */
  events(options: EventOptions = {}): AsyncGenerator<Event, void, undefined> {
    return events(this.connection, options)
  }
}
