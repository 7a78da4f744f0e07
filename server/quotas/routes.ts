// GET /me: who asks, what they may do, what they have and may have.

import { Router } from 'express'
import { identityOf } from '../auth/bearer.js'
import { missingCredential } from '../auth/credential.js'
import { hasScope, scopes } from '../auth/identity.js'
import { sendJson } from '../http/answer.js'
import type { Quota, Usage } from './quota.js'

export interface MeRoutesOptions {
  /** What one person has here, under all of their names. */
  usage: (owners: readonly string[]) => Promise<Usage>
  quota: Quota
  maxFileBytes: number
  /** Of requests with one credential; undefined: none. */
  rate: { requests: number; windowSeconds: number } | undefined
}

/** To be mounted at /me, behind `authenticate`. */
export function meRoutes({ usage, quota, maxFileBytes, rate }: MeRoutesOptions): Router {
  const router = Router()
  router.get('/', async (request, response) => {
    const identity = identityOf(request)
    // Reading without a credential is nobody.
    if (identity.seesAll === true) throw missingCredential()
    const { owner, aliases = [], groups = [], keyId, expiresAt } = identity
    const used = await usage([owner, ...aliases])
    sendJson(response, {
      owner,
      aliases,
      groups,
      scopes: scopes.filter((scope) => hasScope(identity, scope)),
      key_id: keyId ?? null,
      expires_at: expiresAt?.toISOString() ?? null,
      usage: { bytes: used.bytes, files: used.files, open_uploads: used.openUploads },
      limits: {
        bytes: quota.bytes ?? null,
        files: quota.files ?? null,
        open_uploads: quota.openUploads ?? null,
        file_bytes: maxFileBytes,
        rate: rate === undefined ? null : { requests: rate.requests, window_seconds: rate.windowSeconds },
      },
    })
  })
  return router
}
