// API keys over HTTP: made, listed, revoked. A key itself is in one answer, and nowhere else.

import { type Request, Router } from 'express'
import { pageOf, sendJson, sendPage } from '../http/answer.js'
import { decodeCursor, encodeCursor } from '../http/cursor.js'
import { parseInput } from '../http/input.js'
import { jsonBody, jsonIn } from '../http/json-body.js'
import type { ApiKeyRecord, ApiKeys, Position } from './api-keys.js'
import { actorOf, identityOf, requireScope } from './bearer.js'
import { invalidCredential, missingCredential } from './credential.js'
import { checkMayRevoke } from './grant.js'
import { checkScope, isScope } from './identity.js'
import { apiKeyCursor, apiKeyParams, apiKeyQuery, newApiKeyBody } from './operations.js'
import { type OwnerScope, ownScope } from './owner-scope.js'

export interface ApiKeyRoutesOptions {
  apiKeys: Pick<ApiKeys, 'issue' | 'page' | 'get' | 'revokeById'>
  publicUrl: () => string
}

const WHAT_TO_SEND = 'Say what the key is to be as JSON with "Content-Type: application/json".'

/** To be mounted at /api-keys, behind `authenticate`. */
export function apiKeyRoutes({ apiKeys, publicUrl }: ApiKeyRoutesOptions): Router {
  const router = Router()

  router.post('/', requireScope('upload'), jsonBody({ limit: '16kb' }), async (request, response) => {
    const { expires_at: expiresAt, ...wanted } = parseInput(
      newApiKeyBody,
      jsonIn(request, WHAT_TO_SEND),
      'body',
    )
    const issued = await apiKeys.issue({ ...wanted, expiresAt }, identityOf(request), actorOf(request))
    // Revoked or expired since it was looked at: another instance may still have believed it.
    if (issued === undefined) throw invalidCredential()
    response.status(201).location(`${publicUrl()}/api-keys/${issued.id}`)
    sendJson(response, { ...keyAsTold(issued), key: issued.key })
  })

  router.get('/', requireScope('read'), async (request, response) => {
    const { limit, cursor } = parseInput(apiKeyQuery, request.query, 'query')
    const found = await apiKeys.page(scopeIn(request), limit + 1, positionIn(cursor))
    const page = pageOf(found, limit, keyAsTold, ({ createdAt, id }) =>
      encodeCursor(['api-keys', createdAt.toISOString(), id]),
    )
    sendPage(request, response, page, publicUrl())
  })

  router.get('/:id', requireScope('read'), async (request, response) => {
    sendJson(response, keyAsTold(await apiKeys.get(idIn(request), scopeIn(request))))
  })

  router.delete('/:id', async (request, response) => {
    const identity = identityOf(request)
    const id = idIn(request)
    if (id !== identity.keyId) {
      checkScope(identity, 'upload')
      const { scopes } = await apiKeys.get(id, scopeIn(request))
      checkMayRevoke(identity, scopes.filter(isScope))
    }
    await apiKeys.revokeById(id, actorOf(request))
    response.status(204).end()
  })

  return router
}

/** @throws UNAUTHORIZED for who reads without a credential: who has which keys isn't data */
function scopeIn(request: Request): OwnerScope {
  const identity = identityOf(request)
  if (identity.seesAll === true) throw missingCredential()
  return ownScope(identity)
}

function idIn(request: Request): string {
  return parseInput(apiKeyParams, request.params, 'path').id
}

function positionIn(cursor: string | undefined): Position | null {
  if (cursor === undefined) return null
  const [, at, id] = decodeCursor(cursor, apiKeyCursor)
  return { at: new Date(at), id }
}

function keyAsTold(key: ApiKeyRecord) {
  const { id, prefix, name, owner, createdAt, expiresAt, revokedAt } = key
  return {
    id,
    prefix,
    name,
    owner,
    // What this version doesn't know grants nothing.
    scopes: key.scopes.filter(isScope),
    groups: key.groups,
    state: revokedAt !== null ? 'revoked' : key.isExpired ? 'expired' : 'active',
    created_at: createdAt.toISOString(),
    expires_at: expiresAt?.toISOString() ?? null,
    revoked_at: revokedAt?.toISOString() ?? null,
  }
}
