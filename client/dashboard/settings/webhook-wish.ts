// What a new webhook is to be, of what was put into the form. Pure.

import { EVENT_TYPES } from '../../api/event-types.js'
import type { Event, WebhookWish } from '../../api/types.js'

export type WebhookEvent = Event['type']

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
    wish: { url: wanted, events: events === null ? ['*'] : EVENT_TYPES.filter((one) => events.has(one)) },
  }
}

function faultOfUrl(text: string): NonNullable<WebhookFaults['url']> | null {
  if (text === '') return 'empty'
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return 'http'
  const { username, password } = new URL(text)
  if (username !== '' || password !== '') return 'credentials'
  return text.includes('#') ? 'fragment' : null
}
