// What a credential is, by its look, and who says whose it is: the settings, a JWT's keys, the database, the IAM.

import { hash } from 'node:crypto'
import type { Config } from '../config.js'
import type { Log } from '../ops/log.js'
import type { Identify } from './bearer.js'
import { EDI_ID_PATTERN } from './claims.js'
import { digestConfiguredKeys, findConfigured } from './configured-keys.js'
import { OWNER_PATTERN } from './grant.js'
import { looksLikeIamKey, openIam } from './iam.js'
import { type JwtVerifier, looksLikeJwt, MOST_CREDENTIAL_LENGTH, openJwtVerifier } from './jwt.js'
import { openJwtKeys } from './jwt-keys.js'
import { readKeyFiles } from './key-files.js'

export interface IdentifyOptions {
  readonly config: Config
  /** Of the API keys in the database. Not called before the first credential comes. */
  readonly identifyApiKey: Identify
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * Reads what the settings name, once; a key set behind a URL when a token needs it.
 *
 * @throws INVALID_INPUT, naming the setting, for a file that can't be used
 */
export async function openIdentify({
  config,
  identifyApiKey,
  log,
  now = Date.now,
}: IdentifyOptions): Promise<Identify> {
  const jwt = await jwtVerifierOf(config, log, now)
  if (jwt === undefined && config.apiKeysDir === undefined) return identifyApiKey

  // Those of the settings, too: one that looks like something else is still what the operator says it is, and sent nowhere.
  const inSettings = digestConfiguredKeys({
    upload: config.apiUploadKeys,
    read: config.apiReadKeys,
    delete: config.apiDeleteKeys,
  })
  const inFiles = config.apiKeysDir === undefined ? [] : await readKeyFiles(config.apiKeysDir, inSettings)
  const configured = [...inSettings, ...inFiles]
  const iam =
    jwt === undefined || config.authIamUrl === undefined
      ? undefined
      : openIam({ iamUrl: config.authIamUrl, identifyToken: (token) => jwt.identify(token), log, now })

  return async (credential) => {
    if (credential.length > MOST_CREDENTIAL_LENGTH) return undefined
    const found = findConfigured(configured, hash('sha256', credential, 'buffer'))
    if (found !== undefined) return found
    if (jwt !== undefined && looksLikeJwt(credential)) return jwt.identify(credential)
    if (iam !== undefined && looksLikeIamKey(credential)) return iam.identify(credential)
    return identifyApiKey(credential)
  }
}

async function jwtVerifierOf(config: Config, log: Log, now: () => number): Promise<JwtVerifier | undefined> {
  const keys = await openJwtKeys({ config, log })
  // config.ts refuses keys without an issuer.
  if (keys === undefined || config.authIssuer === undefined) return undefined
  return openJwtVerifier({
    keys,
    issuer: config.authIssuer,
    audience: config.authAudience,
    rules: {
      ownerPattern: config.authPreset === 'edi' ? EDI_ID_PATTERN : OWNER_PATTERN,
      hostedDomain: config.authHostedDomain,
      scopes: config.authScopes,
    },
    log,
    now,
  })
}
