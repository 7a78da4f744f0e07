// What the form for a new webhook asks of the server, and what it says is wrong.

import { describe, expect, test } from '@jest/globals'
import { EVENT_TYPES } from '../../../client/api/event-types.js'
import { webhookWishOf } from '../../../client/dashboard/settings/webhook-wish.js'
import { en } from '../../../client/dashboard/words/en.js'
import { API_KEY_EVENTS, PACKAGE_EVENTS, UPLOAD_EVENTS } from '../../../server/events/event.js'
import { newWebhookBody } from '../../../server/webhooks/operations.js'

const URL_TEXT = 'https://example.org/hook?token=1'

describe('a new webhook', () => {
  test('is told of every event, or of those that were chosen', () => {
    expect(webhookWishOf({ url: ` ${URL_TEXT} `, events: null })).toEqual({
      wish: { url: URL_TEXT, events: ['*'] },
    })
    const events = new Set(['upload.failed.v1', 'upload.ready.v1'] as const)
    expect(webhookWishOf({ url: URL_TEXT, events })).toEqual({
      wish: { url: URL_TEXT, events: ['upload.ready.v1', 'upload.failed.v1'] },
    })
  })

  test.each([
    ['', 'empty'],
    ['example.org/hook', 'http'],
    ['ftp://example.org', 'http'],
    ['https://', 'http'],
    ['https://me:secret@example.org', 'credentials'],
    ['https://example.org/#here', 'fragment'],
  ])('does not lead to %j', (url, fault) => {
    expect(webhookWishOf({ url, events: null })).toEqual({ faults: { url: fault } })
    expect(newWebhookBody.safeParse({ url }).success).toBe(false)
  })

  test('is told of something', () => {
    expect(webhookWishOf({ url: URL_TEXT, events: new Set() })).toEqual({ faults: { events: 'none' } })
  })
})

test('the events are all that the server has, and each has its words', () => {
  const known = Object.keys({ ...UPLOAD_EVENTS, ...PACKAGE_EVENTS, ...API_KEY_EVENTS })
  expect(EVENT_TYPES.toSorted()).toEqual(known.toSorted())
  expect(newWebhookBody.safeParse({ url: URL_TEXT, events: EVENT_TYPES }).success).toBe(true)
  expect(Object.keys(en.settings.events)).toEqual([...EVENT_TYPES, 'webhook.ping.v1'])
})
