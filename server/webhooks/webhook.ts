// What a webhook and its deliveries are, and what is sent. Pure.

import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'
import type { EventRecord } from '../events/event.js'

/** Every type. */
export const ALL_EVENTS = '*'

/** Of a delivery that only tries whether there is somebody. */
export const PING_TYPE = 'webhook.ping.v1'

/** Webhooks of one owner. */
export const MOST_WEBHOOKS = 20

export interface Webhook {
  id: string
  owner: string
  /** Of every owner's events, not only of its own. */
  seesAll: boolean
  url: string
  /** Types of events, or ALL_EVENTS. */
  events: string[]
  secret: string
  createdAt: Date
  /** Deliveries have been made for all events up to this sequence. */
  cursor: number
}

export interface Delivery {
  id: string
  webhookId: string
  /** Null: a ping. */
  sequence: number | null
  type: string
  state: 'pending' | 'delivered' | 'failed'
  attempts: number
  /** While an attempt is under way: when it is taken for dead. */
  nextAttemptAt: Date
  /** Of the last answer. */
  status: number | null
  /** Why the last attempt failed. */
  error: string | null
  createdAt: Date
  deliveredAt: Date | null
}

/** Where events are read from. */
export interface EventSource {
  /** The newest sequence there is: no event that was committed before the call is behind it. */
  newest(): Promise<number>
  /** The first `limit` events of `scope` behind the sequence `since`, in order; `next` is up to where was looked. */
  read(scope: OwnerScope, since: number, limit: number): Promise<{ events: EventRecord[]; next: number }>
}

export function scopeOf(webhook: Pick<Webhook, 'owner' | 'seesAll'>): OwnerScope {
  return webhook.seesAll ? EVERYONE : webhook.owner
}

export function wants(webhook: Pick<Webhook, 'events'>, type: string): boolean {
  return webhook.events.includes(ALL_EVENTS) || webhook.events.includes(type)
}

/** The body of a delivery: the event, and whose delivery it is. */
export function bodyOf(event: object, ids: { deliveryId: string; webhookId: string }): string {
  return JSON.stringify({ ...event, delivery_id: ids.deliveryId, webhook_id: ids.webhookId })
}

/** What a ping tells, in the form of an event. */
export function pingOf({ owner }: Pick<Webhook, 'owner'>, at: Date) {
  const nothing = { upload_id: null, package_id: null, data: {} }
  return { sequence: null, type: PING_TYPE, at: at.toISOString(), owner, ...nothing }
}
