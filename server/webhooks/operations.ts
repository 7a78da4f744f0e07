// The routes of webhooks, described by the schemas that validate them. Pure.

import { z } from 'zod'
import { API_KEY_EVENTS, PACKAGE_EVENTS, UPLOAD_EVENTS } from '../events/event.js'
import type { Operation } from '../http/operation.js'
import { pageAnswer, pageQuery } from '../http/pages.js'
import { faultOfSecret } from './signature.js'
import { faultOfUrl, MOST_URL_CHARACTERS } from './target.js'
import { ALL_EVENTS, MOST_WEBHOOKS } from './webhook.js'

const WANTED = [...Object.keys({ ...UPLOAD_EVENTS, ...PACKAGE_EVENTS, ...API_KEY_EVENTS }), ALL_EVENTS]

export const webhookParams = z.object({ id: z.string() })

export const newWebhookBody = z
  .strictObject({
    url: textWithout(faultOfUrl, MOST_URL_CHARACTERS),
    events: z
      .array(z.enum(WANTED))
      .min(1)
      .max(WANTED.length)
      .default([ALL_EVENTS])
      .transform((events) => [...new Set(events)]),
    secret: textWithout(faultOfSecret, 256).optional(),
  })
  .meta({ id: 'NewWebhook', examples: [{ url: 'https://example.org/hook', events: ['upload.ready.v1'] }] })

export const webhookQuery = z.strictObject(pageQuery)

export const webhookAnswer = z
  .object({
    id: z.string(),
    owner: z.string(),
    sees_all: z.boolean(),
    url: z.string(),
    events: z.array(z.string()),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Webhook' })

export const newWebhookAnswer = webhookAnswer.extend({ secret: z.string() }).meta({ id: 'WebhookWithSecret' })

export const deliveryAnswer = z
  .object({
    id: z.string(),
    sequence: z.int().nullable(),
    type: z.string(),
    state: z.enum(['pending', 'delivered', 'failed']),
    attempts: z.int(),
    status: z.int().nullable(),
    error: z.string().nullable(),
    created_at: z.iso.datetime(),
    delivered_at: z.iso.datetime().nullable(),
    next_attempt_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Delivery' })

/** Where a page of either list ended. */
export const webhookCursor = z.tuple([
  z.enum(['webhooks', 'deliveries']),
  z.iso.datetime(),
  z.string().regex(/^[0-9a-f]{40}$/),
])

const link = { Link: 'The next page, rel="next"' }

export const webhookOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/webhooks',
    id: 'createWebhook',
    tag: 'Webhooks',
    summary: 'Has events sent to a URL',
    description:
      "From now on, every event of your uploads and packages (with the scope `admin`: of everybody's) is sent there by POST, signed " +
      'as https://www.standardwebhooks.com says, at least once. The `secret` is shown here and never again. An owner has at ' +
      `most ${MOST_WEBHOOKS} webhooks. Redirects aren't followed, and private addresses are refused unless the server allows them.`,
    scope: 'upload',
    body: { content: { 'application/json': newWebhookBody }, isRequired: true },
    answers: {
      201: {
        description: 'It is there, and begins with the next event',
        headers: { Location: 'Its URL' },
        content: { 'application/json': newWebhookAnswer },
      },
    },
    problems: ['CONFLICT', 'UNSUPPORTED_MEDIA_TYPE', 'PAYLOAD_TOO_LARGE'],
  },
  {
    method: 'get',
    path: '/webhooks',
    id: 'listWebhooks',
    tag: 'Webhooks',
    summary: 'Your webhooks, newest first',
    scope: 'read',
    query: webhookQuery,
    answers: {
      200: {
        description: 'A page',
        headers: link,
        content: { 'application/json': pageAnswer(webhookAnswer) },
      },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/webhooks/{id}',
    id: 'getWebhook',
    tag: 'Webhooks',
    summary: 'One webhook, without its secret',
    scope: 'read',
    params: webhookParams,
    answers: { 200: { description: 'The webhook', content: { 'application/json': webhookAnswer } } },
    problems: ['NOT_FOUND'],
  },
  {
    method: 'delete',
    path: '/webhooks/{id}',
    id: 'deleteWebhook',
    tag: 'Webhooks',
    summary: 'Ends a webhook',
    description: 'Its deliveries go with it, those too that were to be tried again.',
    scope: 'delete',
    params: webhookParams,
    answers: { 204: { description: 'It is gone' } },
    problems: ['NOT_FOUND'],
  },
  {
    method: 'get',
    path: '/webhooks/{id}/deliveries',
    id: 'listWebhookDeliveries',
    tag: 'Webhooks',
    summary: 'What was sent and what came of it, newest first',
    description: 'What is over is kept for 30 days.',
    scope: 'read',
    params: webhookParams,
    query: webhookQuery,
    answers: {
      200: {
        description: 'A page',
        headers: link,
        content: { 'application/json': pageAnswer(deliveryAnswer) },
      },
    },
    problems: ['NOT_FOUND'],
  },
  {
    method: 'post',
    path: '/webhooks/{id}/ping',
    id: 'pingWebhook',
    tag: 'Webhooks',
    summary: 'Sends a test now and says what came of it',
    description:
      'A delivery of the type `webhook.ping.v1`, tried once. The answer takes as long as the receiver does, at most 10 seconds.',
    scope: 'upload',
    params: webhookParams,
    answers: { 200: { description: 'The delivery', content: { 'application/json': deliveryAnswer } } },
    problems: ['NOT_FOUND', 'UNAVAILABLE'],
  },
]

/** Text in which `faultOf` finds nothing wrong. */
function textWithout(faultOf: (text: string) => string | undefined, mostCharacters: number) {
  return z
    .string()
    .max(mostCharacters)
    .superRefine((text, context) => {
      const fault = faultOf(text)
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
    })
}
