// Webhooks over HTTP: made, listed, deleted, tried. What sends by itself is the dispatcher.

import { type Request, Router } from 'express'
import { identityOf, requireScope } from '../auth/bearer.js'
import { missingCredential } from '../auth/credential.js'
import { hasScope } from '../auth/identity.js'
import { type OwnerScope, ownScope } from '../auth/owner-scope.js'
import { AppError } from '../errors.js'
import { pageOf, sendJson, sendPage } from '../http/answer.js'
import { decodeCursor, encodeCursor } from '../http/cursor.js'
import { parseInput } from '../http/input.js'
import { jsonBody, jsonIn } from '../http/json-body.js'
import { randomId } from '../uploads/random.js'
import type { Dispatcher } from './dispatcher.js'
import { newWebhookBody, webhookCursor, webhookParams, webhookQuery } from './operations.js'
import { randomDeliveryId, randomSecret } from './random.js'
import type { Position, WebhookRecords } from './records.js'
import type { Sender } from './sender.js'
import { bodyOf, type Delivery, type EventSource, pingOf, type Webhook } from './webhook.js'

export interface WebhookRoutesOptions {
  records: WebhookRecords
  events: Pick<EventSource, 'newest'>
  sender: Sender
  dispatcher: Pick<Dispatcher, 'wake'>
  publicUrl: () => string
}

/** Each holds a request and a connection for as long as its receiver likes. */
const MOST_PINGS_AT_ONCE = 8

const WHAT_TO_SEND = 'Send the webhook as JSON with "Content-Type: application/json".'

/** To be mounted at /webhooks, behind `authenticate`. */
export function webhookRoutes({
  records,
  events,
  sender,
  dispatcher,
  publicUrl,
}: WebhookRoutesOptions): Router {
  const router = Router()
  let pings = 0

  router.post('/', requireScope('upload'), jsonBody({ limit: '16kb' }), async (request, response) => {
    const {
      url,
      events: wanted,
      secret = randomSecret(),
    } = parseInput(newWebhookBody, jsonIn(request, WHAT_TO_SEND), 'body')
    const fault = await sender.faultOf(url)
    if (fault !== undefined) throw new AppError('INVALID_INPUT', `url: ${fault} Name another one.`)
    const identity = identityOf(request)
    const seesAll = hasScope(identity, 'admin')
    const webhook = await records.create({
      id: randomId(),
      owner: identity.owner,
      seesAll,
      url,
      events: wanted,
      secret,
      // What was committed until now is past.
      cursor: await events.newest(),
    })
    dispatcher.wake()
    response.status(201).location(`${new URL(publicUrl()).origin}/webhooks/${webhook.id}`)
    sendJson(response, { ...webhookAsTold(webhook), secret })
  })

  router.get('/', requireScope('read'), async (request, response) => {
    const { limit, cursor } = parseInput(webhookQuery, request.query, 'query')
    const found = await records.list(scopeIn(request), limit + 1, positionIn('webhooks', cursor))
    const page = pageOf(found, limit, webhookAsTold, (last) => cursorAt('webhooks', last))
    sendPage(request, response, page, publicUrl())
  })

  router.get('/:id', requireScope('read'), async (request, response) => {
    sendJson(response, webhookAsTold(await find(request)))
  })

  router.delete('/:id', requireScope('delete'), async (request, response) => {
    await records.remove(idIn(request), scopeIn(request))
    response.status(204).end()
  })

  router.get('/:id/deliveries', requireScope('read'), async (request, response) => {
    const { limit, cursor } = parseInput(webhookQuery, request.query, 'query')
    const { id } = await find(request)
    const found = await records.listDeliveries(id, limit + 1, positionIn('deliveries', cursor))
    const page = pageOf(found, limit, deliveryAsTold, (last) => cursorAt('deliveries', last))
    sendPage(request, response, page, publicUrl())
  })

  router.post('/:id/ping', requireScope('upload'), async (request, response) => {
    const webhook = await find(request)
    if (pings >= MOST_PINGS_AT_ONCE) {
      throw new AppError('UNAVAILABLE', 'Too many pings are under way. Try again in some seconds.', {
        retryAfterSeconds: 10,
      })
    }
    pings += 1
    try {
      sendJson(response, deliveryAsTold(await ping(webhook)))
    } finally {
      pings -= 1
    }
  })

  return router

  function find(request: Request): Promise<Webhook> {
    return records.get(idIn(request), scopeIn(request))
  }

  async function ping(webhook: Webhook): Promise<Delivery> {
    const now = await records.now()
    const told = pingOf(webhook, now)
    const id = randomDeliveryId(0)
    const body = bodyOf(told, { deliveryId: id, webhookId: webhook.id })
    const timestampSeconds = Math.floor(now.getTime() / 1000)
    const attempt = await sender.send(webhook, { id, timestampSeconds, body })
    return records.insertPing(webhook.id, { id, type: told.type, body }, attempt)
  }
}

/** @throws UNAUTHORIZED for who reads without a credential: a webhook's URL may be a secret, and isn't data */
function scopeIn(request: Request): OwnerScope {
  const identity = identityOf(request)
  if (identity.seesAll === true) throw missingCredential()
  return ownScope(identity)
}

function idIn(request: Request): string {
  return parseInput(webhookParams, request.params, 'path').id
}

type List = 'webhooks' | 'deliveries'

function cursorAt(list: List, { createdAt, id }: { createdAt: Date; id: string }): string {
  return encodeCursor([list, createdAt.toISOString(), id])
}

function positionIn(list: List, cursor: string | undefined): Position | null {
  if (cursor === undefined) return null
  const [, at, id] = decodeCursor(
    cursor,
    webhookCursor.refine(([name]) => name === list),
  )
  return { at: new Date(at), id }
}

function webhookAsTold({ id, owner, seesAll, url, events, createdAt }: Webhook) {
  return { id, owner, sees_all: seesAll, url, events, created_at: createdAt.toISOString() }
}

function deliveryAsTold(delivery: Delivery) {
  const { id, sequence, type, state, attempts, status, error, createdAt, deliveredAt, nextAttemptAt } =
    delivery
  return {
    id,
    sequence,
    type,
    state,
    attempts,
    status,
    error,
    created_at: createdAt.toISOString(),
    delivered_at: deliveredAt?.toISOString() ?? null,
    next_attempt_at: state === 'pending' ? nextAttemptAt.toISOString() : null,
  }
}
