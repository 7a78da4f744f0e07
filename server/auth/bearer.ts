// From a request's credential to its identity, with passport. Knows HTTP; what a credential is worth, identify.ts knows.

import type { Request, RequestHandler } from 'express'
import passport from 'passport'
import { Strategy as BearerStrategy } from 'passport-http-bearer'
import { AppError } from '../errors.js'
import { invalidCredential, missingCredential, placeOfCredential } from './credential.js'
import { type Actor, anonymousReader, checkScope, type Identity, type Scope } from './identity.js'

declare global {
  namespace Express {
    interface Request {
      /** Set by `authenticate`; read it by `identityOf`. */
      identity?: Identity
    }
  }
}

/**
 * Whose credential this is; undefined when it is worth nothing. Rejects with UNAUTHORIZED when there is more to tell, such as
 * that it has expired, and with UNAVAILABLE while it can't be checked.
 */
export type Identify = (credential: string) => Promise<Identity | undefined>

export interface AuthenticateOptions {
  identify: Identify
  /** GET and HEAD need no credential. A bad one is refused all the same. */
  anonRead: boolean
}

/**
 * Gives `req.identity`, or ends the request: INVALID_INPUT for a malformed credential, UNAUTHORIZED for a missing or
 * bad one, UNAVAILABLE when it can't be checked now.
 */
export function authenticate({ identify, anonRead }: AuthenticateOptions): RequestHandler {
  const authenticator = new passport.Passport()
  authenticator.use('authorization', bearerStrategy(identify))
  authenticator.use('x-api-key', new ApiKeyStrategy(identify))
  // On failure passport calls `next` with an error of its own; that happens for a credential that is worth nothing.
  const options = { session: false, failWithError: true, assignProperty: 'identity', authInfo: false }
  const handlers: Record<'authorization' | 'x-api-key', RequestHandler> = {
    authorization: authenticator.authenticate('authorization', options),
    'x-api-key': authenticator.authenticate('x-api-key', options),
  }

  return (req, res, next) => {
    const place = placeOfCredential(req.originalUrl, req.headers)
    if (place !== undefined) {
      handlers[place](req, res, (error?: unknown) => {
        next(isRefusalByPassport(error) ? invalidCredential() : error)
      })
      return
    }
    if (!anonRead || (req.method !== 'GET' && req.method !== 'HEAD')) throw missingCredential()
    req.identity = anonymousReader
    next()
  }
}

/** Lets pass who has the scope: after `authenticate`. Throws FORBIDDEN, naming the scope. */
export function requireScope(scope: Scope): RequestHandler {
  return (req, _res, next) => {
    checkScope(identityOf(req), scope)
    next()
  }
}

/** Who does it, as the events tell it. Only behind `authenticate`. */
export function actorOf(req: Request): Actor {
  const { owner, keyId } = identityOf(req)
  return { owner, keyId: keyId ?? null, requestId: req.requestId ?? null }
}

/** Who asks. Only behind `authenticate`. */
export function identityOf(req: Request): Identity {
  if (req.identity === undefined)
    throw new AppError('INTERNAL', 'A route asked for an identity before it was known.')
  return req.identity
}

function bearerStrategy(identify: Identify): passport.Strategy {
  return new BearerStrategy((token, done) => {
    identify(token).then((identity) => done(null, identity ?? false), done)
  })
}

/** As the bearer strategy, for the header `X-API-Key`. */
class ApiKeyStrategy extends passport.Strategy {
  private readonly identify: Identify

  constructor(identify: Identify) {
    super()
    this.identify = identify
  }

  override authenticate(req: Request): void {
    this.identify(String(req.headers['x-api-key'])).then(
      (identity) => (identity === undefined ? this.fail() : this.success(identity)),
      (error: unknown) => this.error(error),
    )
  }
}

function isRefusalByPassport(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'AuthenticationError'
  )
}
