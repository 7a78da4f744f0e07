import { words } from '../words/words.js'
import type { WebhookEvent } from './webhook-wish.js'

const WORDS: Record<WebhookEvent | 'webhook.ping.v1', string> = words.settings.events

/** What an event is called; one that this page doesn't know, by its type. */
export function eventWords(type: string): string {
  return Object.hasOwn(WORDS, type) ? WORDS[type as WebhookEvent] : type
}
