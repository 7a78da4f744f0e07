// The keys that the operator has written down, in the settings or in files: few, and compared in constant time.

import { hash, timingSafeEqual } from 'node:crypto'
import type { Identity, Scope } from './identity.js'

/** The owner of everything that comes with a key of the settings. */
export const defaultOwner = 'default'

export interface ConfiguredKeys {
  upload: readonly string[]
  read: readonly string[]
  delete: readonly string[]
}

export interface ConfiguredKey {
  /** SHA-256. */
  digest: Buffer
  identity: Identity
}

export function digestConfiguredKeys(configured: ConfiguredKeys): ConfiguredKey[] {
  const scopesOf = new Map<string, Set<Scope>>()
  for (const scope of ['upload', 'read', 'delete'] as const) {
    for (const key of configured[scope]) {
      scopesOf.set(key, (scopesOf.get(key) ?? new Set()).add(scope))
    }
  }
  return [...scopesOf].map(([key, scopes]) => configuredKey(key, { owner: defaultOwner, scopes }))
}

export function configuredKey(key: string, identity: Identity): ConfiguredKey {
  return { digest: hash('sha256', key, 'buffer'), identity }
}

/** Looks at every key whatever it finds, so that the time taken tells nothing. */
export function findConfigured(keys: readonly ConfiguredKey[], digest: Buffer): Identity | undefined {
  let found: Identity | undefined
  for (const key of keys) {
    if (timingSafeEqual(key.digest, digest)) found = key.identity
  }
  return found
}
