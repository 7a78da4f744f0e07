// API keys: those made here, in the database, and those of the three lists in the configuration.

import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { translateDatabaseError } from '../database/client.js'
import { AppError } from '../errors.js'
import { type Identity, isScope, type Scope } from './identity.js'

/** How long a key that was found may be believed: a revocation holds on every instance after as long. */
const trustMs = 5_000

/** Bounds what a cache of keys can take. */
const mostCachedKeys = 10_000

const prefixLength = 8

/** The owner of everything that comes with a configured key. */
export const defaultOwner = 'default'

export interface ConfiguredKeys {
  upload: readonly string[]
  read: readonly string[]
  delete: readonly string[]
}

export interface NewApiKey {
  name: string
  owner: string
  scopes: readonly Scope[]
  /** Undefined: never expires. */
  ttlSeconds: number | undefined
}

export interface ApiKeyRecord {
  id: string
  name: string
  /** The key's first 8 characters. */
  prefix: string
  owner: string
  scopes: string[]
  createdAt: Date
  expiresAt: Date | null
  revokedAt: Date | null
  isExpired: boolean
}

export interface ApiKeys {
  /** Makes a key. `key` is the only copy there will ever be. */
  create(request: NewApiKey): Promise<ApiKeyRecord & { key: string }>
  /** All keys of the database, oldest first, revoked and expired ones too. */
  list(): Promise<ApiKeyRecord[]>
  /**
   * Revokes the key with that id or prefix, or the key itself; a second time changes nothing.
   *
   * Throws NOT_FOUND, and CONFLICT when several keys have that prefix.
   */
  revoke(idOrPrefix: string): Promise<ApiKeyRecord>
  /** Whose key this is; undefined when it is unknown, expired or revoked. Throws UNAVAILABLE while we can't know. */
  identify(key: string): Promise<Identity | undefined>
}

type KeyQueries = Pick<PrismaClient, '$queryRaw'>

export function openApiKeys(prisma: KeyQueries, configured: ConfiguredKeys): ApiKeys {
  const configuredKeys = digestConfiguredKeys(configured)
  const findTrusted = trustForAWhile((keyHash) => findByHash(prisma, keyHash))

  return {
    create: (request) => createKey(prisma, request),
    list: () => listKeys(prisma),
    revoke: (idOrPrefix) => revokeKey(prisma, idOrPrefix),
    async identify(key) {
      const digest = hash('sha256', key, 'buffer')
      return findConfigured(configuredKeys, digest) ?? findTrusted(digest.toString('hex'))
    },
  }
}

interface ConfiguredKey {
  digest: Buffer
  identity: Identity
}

function digestConfiguredKeys(configured: ConfiguredKeys): ConfiguredKey[] {
  const scopesOf = new Map<string, Set<Scope>>()
  for (const scope of ['upload', 'read', 'delete'] as const) {
    for (const key of configured[scope]) {
      scopesOf.set(key, (scopesOf.get(key) ?? new Set()).add(scope))
    }
  }
  return [...scopesOf].map(([key, scopes]) => ({
    digest: hash('sha256', key, 'buffer'),
    identity: { owner: defaultOwner, scopes },
  }))
}

/** Looks at every key whatever it finds, so that the time taken tells nothing. */
function findConfigured(keys: readonly ConfiguredKey[], digest: Buffer): Identity | undefined {
  let found: Identity | undefined
  for (const key of keys) {
    if (timingSafeEqual(key.digest, digest)) found = key.identity
  }
  return found
}

interface FoundKey {
  identity: Identity
  /** Infinity: never expires. */
  leftMs: number
}

type FindKey = (keyHash: string) => Promise<FoundKey | undefined>

/** Asks once for many requests with one key, and believes a good answer for `trustMs` from when it was asked. */
function trustForAWhile(find: FindKey): (keyHash: string) => Promise<Identity | undefined> {
  const trusted = new Map<string, { identity: Identity; untilMs: number }>()
  const asking = new Map<string, Promise<Identity | undefined>>()

  const ask = async (keyHash: string): Promise<Identity | undefined> => {
    const askedAtMs = performance.now()
    const found = await find(keyHash)
    if (found === undefined) {
      trusted.delete(keyHash)
      return undefined
    }
    if (trusted.size >= mostCachedKeys) trusted.clear()
    trusted.set(keyHash, { identity: found.identity, untilMs: askedAtMs + Math.min(trustMs, found.leftMs) })
    return found.identity
  }

  return async (keyHash) => {
    const known = trusted.get(keyHash)
    if (known !== undefined && performance.now() < known.untilMs) return known.identity
    const running = asking.get(keyHash)
    if (running !== undefined) return running
    const asked = ask(keyHash).finally(() => asking.delete(keyHash))
    asking.set(keyHash, asked)
    return asked
  }
}

// Below, SQL rather than Prisma's queries: whether a key has expired is for the database's clock to say.

const recordColumns = Prisma.sql`
  id, name, prefix, owner, scopes, created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt",
  expires_at <= now() AS "isExpired"
`

interface KeyRow extends Omit<ApiKeyRecord, 'isExpired'> {
  isExpired: boolean | null
}

async function findByHash(prisma: KeyQueries, keyHash: string): Promise<FoundKey | undefined> {
  const rows = await prisma.$queryRaw<
    { id: string; owner: string; scopes: string[]; leftMs: number | null }[]
  >`
    SELECT id, owner, scopes, (EXTRACT(EPOCH FROM expires_at - now()) * 1000)::float8 AS "leftMs"
    FROM api_keys
    WHERE hash = ${keyHash} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
  `.catch(throwTranslated)
  const row = rows[0]
  if (row === undefined) return undefined
  const identity: Identity = { owner: row.owner, scopes: new Set(row.scopes.filter(isScope)), keyId: row.id }
  return { identity, leftMs: row.leftMs ?? Number.POSITIVE_INFINITY }
}

async function createKey(prisma: KeyQueries, request: NewApiKey): Promise<ApiKeyRecord & { key: string }> {
  const key = `ap_${randomBytes(20).toString('base64url')}`
  const rows = await prisma.$queryRaw<KeyRow[]>`
    INSERT INTO api_keys (id, name, prefix, hash, owner, scopes, expires_at)
    VALUES (
      ${randomUUID()}, ${request.name}, ${key.slice(0, prefixLength)}, ${hash('sha256', key)},
      ${request.owner}, ${[...request.scopes]}, now() + ${request.ttlSeconds ?? null}::float8 * interval '1 second'
    )
    RETURNING ${recordColumns}
  `.catch(throwTranslated)
  return { ...toRecord(rows[0]!), key }
}

async function listKeys(prisma: KeyQueries): Promise<ApiKeyRecord[]> {
  const rows = await prisma.$queryRaw<KeyRow[]>`
    SELECT ${recordColumns} FROM api_keys ORDER BY created_at, id
  `.catch(throwTranslated)
  return rows.map(toRecord)
}

async function revokeKey(prisma: KeyQueries, idOrPrefix: string): Promise<ApiKeyRecord> {
  const matches = (await listKeys(prisma)).filter(
    ({ id, prefix }) => id === idOrPrefix || prefix === idOrPrefix,
  )
  if (matches.length > 1) {
    const ids = matches.map(({ id }) => id)
    throw new AppError(
      'CONFLICT',
      `Several keys begin with ${idOrPrefix}. Name one by its id: ${ids.join(', ')}`,
    )
  }
  // Who has only the key itself, from a leak, may revoke it by pasting it.
  const rows = await prisma.$queryRaw<KeyRow[]>`
    UPDATE api_keys SET revoked_at = COALESCE(revoked_at, now())
    WHERE id = ${matches[0]?.id ?? ''} OR hash = ${hash('sha256', idOrPrefix)}
    RETURNING ${recordColumns}
  `.catch(throwTranslated)
  if (rows[0] === undefined) throw new AppError('NOT_FOUND', 'No key has that id or prefix.')
  return toRecord(rows[0])
}

function toRecord(row: KeyRow): ApiKeyRecord {
  return { ...row, isExpired: row.isExpired ?? false }
}

function throwTranslated(error: unknown): never {
  throw translateDatabaseError(error)
}
