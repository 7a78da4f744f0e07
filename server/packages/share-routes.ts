// Sharing over HTTP: for a package's owner.

import { type Request, Router } from 'express'
import { actorOf, identityOf, requireScope } from '../auth/bearer.js'
import { ownScope, owns, readScope } from '../auth/owner-scope.js'
import { unlessOnlySeen } from '../auth/shared.js'
import { sendJson } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { jsonBody, jsonIn } from '../http/json-body.js'
import { noSuchPackage } from './package.js'
import type { Packages } from './records.js'
import { shareBody, shareParams } from './share-operations.js'
import type { PackageShares, Share } from './shares.js'

export interface ShareRoutesOptions {
  shares: PackageShares
  packages: Pick<Packages, 'get'>
}

const WHAT_TO_SEND = 'Say {"access": "read"} or "write" with "Content-Type: application/json".'

/** To be mounted at /packages, behind `authenticate`. */
export function shareRoutes({ shares, packages }: ShareRoutesOptions): Router {
  const router = Router()

  router.get('/:id/shares', requireScope('read'), async (request, response) => {
    const found = await asOwner(request, (id) => shares.list(id, ownScope(identityOf(request))))
    sendJson(response, { shares: found.map(asTold) })
  })

  router.put(
    '/:id/shares/:grantee',
    requireScope('upload'),
    jsonBody({ limit: '16kb' }),
    async (request, response) => {
      const { grantee } = parseInput(shareParams, request.params, 'path')
      const { access } = parseInput(shareBody, jsonIn(request, WHAT_TO_SEND), 'body')
      const scope = ownScope(identityOf(request))
      const shared = await asOwner(request, (id) =>
        shares.put(id, scope, { grantee, access }, actorOf(request)),
      )
      sendJson(response, asTold(shared))
    },
  )

  router.delete('/:id/shares/:grantee', requireScope('upload'), async (request, response) => {
    const { grantee } = parseInput(shareParams, request.params, 'path')
    const scope = ownScope(identityOf(request))
    await asOwner(request, (id) => shares.remove(id, scope, grantee, actorOf(request)))
    response.status(204).end()
  })

  return router

  /** @throws NOT_FOUND, and FORBIDDEN to whom it is shared with */
  function asOwner<T>(request: Request, act: (id: string) => Promise<T>): Promise<T> {
    const id = String(request.params.id)
    const identity = identityOf(request)
    return unlessOnlySeen(
      () => act(id),
      async () => {
        const { owner } = await packages.get(id, readScope(identity))
        // What its owner doesn't find isn't there.
        if (owns(ownScope(identity), owner)) throw noSuchPackage()
      },
    )
  }
}

function asTold({ grantee, access, sharedAt }: Share) {
  return { grantee, access, shared_at: sharedAt.toISOString() }
}
