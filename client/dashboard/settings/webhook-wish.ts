// What a new webhook is to be, of what was put into the form. Pure.

import type { WebhookWish } from '../../api/types.js'

export type WebhookEvent = Exclude<NonNullable<WebhookWish['events']>[number], '*'>

/** In the order in which they happen. One that the server has and this lacks doesn't compile. */
const EVENTS: Record<WebhookEvent, true> = {
  'upload.created.v1': true,
  'upload.finalizing.v1': true,
  'upload.ready.v1': true,
  'upload.failed.v1': true,
  'upload.canceled.v1': true,
  'upload.extended.v1': true,
  'upload.expiring.v1': true,
  'upload.expired.v1': true,
  'upload.deleted.v1': true,
  'upload.restored.v1': true,
  'package.created.v1': true,
  'package.finalized.v1': true,
  'package.retention_extended.v1': true,
  'package.shared.v1': true,
  'package.unshared.v1': true,
  'package.expired.v1': true,
  'package.deleted.v1': true,
  'api_key.created.v1': true,
  'api_key.revoked.v1': true,
}

export const WEBHOOK_EVENTS = Object.keys(EVENTS) as WebhookEvent[]

export interface WebhookForm {
  url: string
  /** Null: every event, those too that the server learns of later. */
  events: ReadonlySet<WebhookEvent> | null
}

export interface WebhookFaults {
  url?: 'empty' | 'http' | 'credentials' | 'fragment'
  events?: 'none'
}

/** What is asked of the server, or what is wrong with the form; whether the URL may be used at all, the server says. */
export function webhookWishOf({
  url,
  events,
}: WebhookForm): { wish: WebhookWish } | { faults: WebhookFaults } {
  const faults: WebhookFaults = {}
  const wanted = url.trim()
  const fault = faultOfUrl(wanted)
  if (fault !== null) faults.url = fault
  if (events !== null && events.size === 0) faults.events = 'none'
  if (Object.keys(faults).length > 0) return { faults }
  return {
    wish: { url: wanted, events: events === null ? ['*'] : WEBHOOK_EVENTS.filter((one) => events.has(one)) },
  }
}

function faultOfUrl(text: string): NonNullable<WebhookFaults['url']> | null {
  if (text === '') return 'empty'
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return 'http'
  const { username, password } = new URL(text)
  if (username !== '' || password !== '') return 'credentials'
  return text.includes('#') ? 'fragment' : null
}
