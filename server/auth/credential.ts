// Where a request carries its credential. Pure.

import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../errors.js'

/** The header that the credential is in. */
export type CredentialPlace = 'authorization' | 'x-api-key'

const howToSend =
  'Send an API key or a token in the header "Authorization: Bearer <key>" or "X-API-Key: <key>".'

export function missingCredential(): AppError {
  return new AppError('UNAUTHORIZED', `This needs a credential. ${howToSend}`)
}

export function invalidCredential(): AppError {
  return new AppError('UNAUTHORIZED', 'The credential is unknown, expired or revoked. Use another one.', {
    details: { error: 'invalid_token' },
  })
}

/**
 * Where the credential is; undefined when there is none.
 *
 * Throws INVALID_INPUT when there are two, when one is malformed, and when it is in the URL: URLs end in logs, histories
 * and referrers.
 */
export function placeOfCredential(url: string, headers: IncomingHttpHeaders): CredentialPlace | undefined {
  const queryAt = url.indexOf('?')
  if (queryAt !== -1 && new URLSearchParams(url.slice(queryAt)).has('access_token')) {
    throw new AppError('INVALID_INPUT', `A credential does not belong in a URL. ${howToSend}`)
  }
  const authorization = headers.authorization
  const apiKey = headers['x-api-key']
  const hasBearer = authorization !== undefined && /^bearer(\s|$)/i.test(authorization)

  if (apiKey !== undefined) {
    if (hasBearer) throw new AppError('INVALID_INPUT', `There are two credentials. ${howToSend}`)
    if (typeof apiKey !== 'string' || !/^\S+$/.test(apiKey)) {
      throw new AppError('INVALID_INPUT', `The X-API-Key header is malformed. ${howToSend}`)
    }
    return 'x-api-key'
  }
  // Another scheme, such as the Basic of a proxy in front of us, is not a credential of ours.
  if (!hasBearer) return undefined
  if (!/^bearer \S+$/i.test(authorization)) {
    throw new AppError('INVALID_INPUT', `The Authorization header is malformed. ${howToSend}`)
  }
  return 'authorization'
}
