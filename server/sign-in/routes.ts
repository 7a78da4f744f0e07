// Signing in from the page: which ways there are, and the way to the IAM. What comes back is the page's business.

import { Router } from 'express'
import { AppError } from '../errors.js'
import { sendJson } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { PROVIDERS, signInParams } from './operations.js'

export interface SignInRoutesOptions {
  /** An origin. Undefined: no IAM, so keys are all there is. */
  iamUrl: string | undefined
  publicUrl: () => string
}

/** To be mounted at /sign-in. Needs no credential: whoever comes here has none yet. */
export function signInRoutes({ iamUrl, publicUrl }: SignInRoutesOptions): Router {
  const router = Router()

  router.get('/', (_request, response) => {
    const redirects =
      iamUrl === undefined ? [] : PROVIDERS.map((provider) => redirectBy(provider, publicUrl()))
    sendJson(response, { methods: [...redirects, { type: 'api_key', name: 'API key' }] })
  })

  router.get('/:provider', (request, response) => {
    const { provider: wanted } = parseInput(signInParams, request.params, 'path')
    const provider = PROVIDERS.find(({ id }) => id === wanted)
    if (iamUrl === undefined || provider === undefined) {
      throw new AppError(
        'NOT_FOUND',
        'Nobody signs in by this name here. GET /sign-in tells which ways there are.',
      )
    }
    // Nothing of the request is in it: who could say where the IAM sends a token could have it sent to themselves.
    const target = encodeURIComponent(`${publicUrl()}/`)
    response
      .status(302)
      .set({
        Location: `${iamUrl}/auth/login/${provider.id}?target=${target}`,
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'no-referrer',
      })
      .end()
  })

  return router
}

function redirectBy({ id, name }: (typeof PROVIDERS)[number], publicUrl: string) {
  return { type: 'redirect', provider: id, name, url: `${publicUrl}/sign-in/${id}` }
}
