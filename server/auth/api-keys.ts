// API keys: those made here, in the database, and those of the three lists in the configuration.

import { hash, randomBytes, randomUUID } from 'node:crypto'
import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { translateDatabaseError } from '../database/client.js'
import { ownedBy } from '../database/owned-by.js'
import { AppError } from '../errors.js'
import { appendApiKeyEvent } from '../events/log.js'
import { type ConfiguredKeys, digestConfiguredKeys, findConfigured } from './configured-keys.js'
import { expiryOf, grantOf, MOST_LIVING_KEYS, type WantedKey } from './grant.js'
import { type Actor, type Identity, isScope, OPERATOR, type Scope } from './identity.js'
import type { OwnerScope } from './owner-scope.js'
import { type FoundKey, TrustedKeys } from './trusted-keys.js'

export { defaultOwner } from './configured-keys.js'

const prefixLength = 8

/** Of Postgres' locks that only mean what we say they mean: one owner's keys, while one is made. */
const LOCK_CLASS = 7_276_825

export interface NewApiKey {
  name: string
  owner: string
  scopes: readonly Scope[]
  /** Whose shared packages it reaches. */
  groups?: readonly string[]
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
  groups: string[]
  createdAt: Date
  expiresAt: Date | null
  revokedAt: Date | null
  isExpired: boolean
}

/** `key` is the only copy there will ever be. */
export type NewApiKeyRecord = ApiKeyRecord & { key: string }

/** The last row of a page, newest first. */
export interface Position {
  at: Date
  id: string
}

export interface ApiKeys {
  /** Makes any key: for the operator. */
  create(request: NewApiKey): Promise<NewApiKeyRecord>
  /**
   * Makes a key on behalf of `maker`, who can't give away more than there is: see grant.ts.
   *
   * @returns undefined when the maker's own key was revoked or has expired: a revoked key makes none, on no instance
   * @throws FORBIDDEN, INVALID_INPUT; CONFLICT when the owner has as many as may be
   */
  issue(wanted: WantedKey, maker: Identity, by: Actor): Promise<NewApiKeyRecord | undefined>
  /** All keys of the database, oldest first, revoked and expired ones too. */
  list(): Promise<ApiKeyRecord[]>
  /** Newest first, from behind `after`, revoked and expired ones too. */
  page(scope: OwnerScope, limit: number, after: Position | null): Promise<ApiKeyRecord[]>
  /** Throws NOT_FOUND. */
  get(id: string, scope: OwnerScope): Promise<ApiKeyRecord>
  /** Revokes it; a second time changes nothing. Here it is refused from now on. Throws NOT_FOUND. */
  revokeById(id: string, by: Actor): Promise<ApiKeyRecord>
  /**
   * Revokes the key with that id or prefix, or the key itself, for the operator; a second time changes nothing.
   *
   * Throws NOT_FOUND, and CONFLICT when several keys have that prefix.
   */
  revoke(idOrPrefix: string): Promise<ApiKeyRecord>
  /** Forgets keys that were revoked, or expired, longer ago than that. */
  forgetOld(ttlSeconds: number): Promise<void>
  /** Whose key this is; undefined when it is unknown, expired or revoked. Throws UNAVAILABLE while we can't know. */
  identify(key: string): Promise<Identity | undefined>
}

type KeyQueries = Pick<PrismaClient, '$queryRaw' | '$transaction'>
type Queries = Pick<PrismaClient, '$queryRaw'>

export function openApiKeys(prisma: KeyQueries, configured: ConfiguredKeys): ApiKeys {
  const configuredKeys = digestConfiguredKeys(configured)
  const trusted = new TrustedKeys((keyHash) => findByHash(prisma, keyHash))

  const revokeById = async (id: string, by: Actor): Promise<ApiKeyRecord> => {
    const { hash: keyHash, ...row } = await markRevoked(prisma, id, by)
    trusted.forget(keyHash)
    return toRecord(row)
  }

  return {
    create: (request) => createKey(prisma, request),
    issue: (wanted, maker, by) => issueKey(prisma, wanted, maker, by),
    list: () => listKeys(prisma),
    page: (scope, limit, after) => pageOfKeys(prisma, scope, { limit, after }),
    get: (id, scope) => getKey(prisma, id, scope),
    revokeById,
    revoke: async (idOrPrefix) => revokeById(await findId(prisma, idOrPrefix), OPERATOR),
    forgetOld: (ttlSeconds) => forgetKeys(prisma, ttlSeconds),
    async identify(key) {
      const digest = hash('sha256', key, 'buffer')
      return findConfigured(configuredKeys, digest) ?? trusted.identify(digest.toString('hex'))
    },
  }
}

// Below, SQL rather than Prisma's queries: whether a key has expired is for the database's clock to say.

const recordColumns = Prisma.sql`
  id, name, prefix, owner, scopes, groups, created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt",
  expires_at <= now() AS "isExpired"
`

const isLiving = Prisma.sql`revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`

interface KeyRow extends Omit<ApiKeyRecord, 'isExpired'> {
  isExpired: boolean | null
}

async function findByHash(prisma: Queries, keyHash: string): Promise<FoundKey | undefined> {
  const rows = await prisma.$queryRaw<
    {
      id: string
      owner: string
      scopes: string[]
      groups: string[]
      expiresAt: Date | null
      leftMs: number | null
    }[]
  >`
    SELECT id, owner, scopes, groups, expires_at AS "expiresAt", (EXTRACT(EPOCH FROM expires_at - now()) * 1000)::float8 AS "leftMs"
    FROM api_keys
    WHERE hash = ${keyHash} AND ${isLiving}
  `.catch(throwTranslated)
  const row = rows[0]
  if (row === undefined) return undefined
  const identity: Identity = {
    owner: row.owner,
    scopes: new Set(row.scopes.filter(isScope)),
    groups: row.groups,
    keyId: row.id,
    ...(row.expiresAt === null ? {} : { expiresAt: row.expiresAt }),
  }
  return { identity, leftMs: row.leftMs ?? Number.POSITIVE_INFINITY }
}

async function createKey(prisma: Queries, request: NewApiKey): Promise<NewApiKeyRecord> {
  const expiresAt = Prisma.sql`now() + ${request.ttlSeconds ?? null}::float8 * interval '1 second'`
  return insertKey(prisma, request, expiresAt, OPERATOR).catch(throwTranslated)
}

async function issueKey(
  prisma: KeyQueries,
  wanted: WantedKey,
  maker: Identity,
  by: Actor,
): Promise<NewApiKeyRecord | undefined> {
  const { owner, scopes, groups } = grantOf(maker, wanted)
  return prisma
    .$transaction(async (transaction) => {
      const makerKey = await holdMaker(transaction, maker)
      if (makerKey === undefined) return undefined
      // Two at once would both see room for one.
      await transaction.$executeRaw`SELECT pg_advisory_xact_lock(${LOCK_CLASS}::int, hashtext(${owner}))`
      const [there] = await transaction.$queryRaw<{ living: number; now: Date }[]>`
        SELECT count(*)::int AS living, now() AS now FROM api_keys WHERE owner = ${owner} AND ${isLiving}
      `
      const expiresAt = expiryOf(wanted.expiresAt, there!.now, maker, makerKey.expiresAt)
      if (there!.living >= MOST_LIVING_KEYS) throw tooManyKeys(owner, maker)
      return insertKey(
        transaction,
        { name: wanted.name, owner, scopes, groups },
        Prisma.sql`${expiresAt}::timestamptz`,
        by,
      )
    })
    .catch(throwTranslated)
}

/** The maker's own key, which isn't revoked before this transaction ends; undefined when it was before. */
async function holdMaker(
  transaction: Queries,
  { keyId }: Identity,
): Promise<{ expiresAt: Date | null } | undefined> {
  if (keyId === undefined) return { expiresAt: null }
  const rows = await transaction.$queryRaw<{ expiresAt: Date | null }[]>`
    SELECT expires_at AS "expiresAt" FROM api_keys WHERE id = ${keyId} AND ${isLiving} FOR SHARE
  `
  return rows[0]
}

async function insertKey(
  prisma: Queries,
  { name, owner, scopes, groups = [] }: Omit<NewApiKey, 'ttlSeconds'>,
  expiresAt: Prisma.Sql,
  by: Actor,
): Promise<NewApiKeyRecord> {
  const key = `ap_${randomBytes(20).toString('base64url')}`
  const rows = await prisma.$queryRaw<KeyRow[]>`
    WITH changed AS (
      INSERT INTO api_keys (id, name, prefix, hash, owner, scopes, groups, expires_at)
      VALUES (${randomUUID()}, ${name}, ${key.slice(0, prefixLength)}, ${hash('sha256', key)}, ${owner}, ${[...scopes]},
        ${[...groups]}, ${expiresAt})
      RETURNING *
    ), told AS (${appendApiKeyEvent('changed', 'api_key.created.v1', by)})
    SELECT ${recordColumns} FROM changed
  `
  return { ...toRecord(rows[0]!), key }
}

async function listKeys(prisma: Queries): Promise<ApiKeyRecord[]> {
  const rows = await prisma.$queryRaw<KeyRow[]>`
    SELECT ${recordColumns} FROM api_keys ORDER BY created_at, id
  `.catch(throwTranslated)
  return rows.map(toRecord)
}

async function pageOfKeys(
  prisma: Queries,
  scope: OwnerScope,
  { limit, after }: { limit: number; after: Position | null },
): Promise<ApiKeyRecord[]> {
  const isBehind =
    after === null ? Prisma.sql`TRUE` : Prisma.sql`(created_at, id) < (${after.at}, ${after.id})`
  const rows = await prisma.$queryRaw<KeyRow[]>`
    SELECT ${recordColumns} FROM api_keys WHERE ${ownedBy(scope)} AND ${isBehind}
    ORDER BY created_at DESC, id DESC LIMIT ${limit}
  `.catch(throwTranslated)
  return rows.map(toRecord)
}

async function getKey(prisma: Queries, id: string, scope: OwnerScope): Promise<ApiKeyRecord> {
  if (!isKeyId(id)) throw noSuchKey()
  const rows = await prisma.$queryRaw<KeyRow[]>`
    SELECT ${recordColumns} FROM api_keys WHERE id = ${id} AND ${ownedBy(scope)}
  `.catch(throwTranslated)
  if (rows[0] === undefined) throw noSuchKey()
  return toRecord(rows[0])
}

async function markRevoked(prisma: Queries, id: string, by: Actor): Promise<KeyRow & { hash: string }> {
  const rows = await prisma.$queryRaw<(KeyRow & { hash: string })[]>`
    WITH changed AS (
      UPDATE api_keys SET revoked_at = now() WHERE id = ${id} AND revoked_at IS NULL RETURNING *
    ), told AS (${appendApiKeyEvent('changed', 'api_key.revoked.v1', by)})
    SELECT ${recordColumns}, hash FROM changed
    UNION ALL SELECT ${recordColumns}, hash FROM api_keys WHERE id = ${id} AND NOT EXISTS (SELECT FROM changed)
  `.catch(throwTranslated)
  if (rows[0] === undefined) throw noSuchKey()
  return rows[0]
}

async function forgetKeys(prisma: Queries, ttlSeconds: number): Promise<void> {
  await prisma.$queryRaw`
    DELETE FROM api_keys WHERE LEAST(revoked_at, expires_at) < now() - ${ttlSeconds}::float8 * interval '1 second'
  `.catch(throwTranslated)
}

/** Of the key with that id or prefix, or of the key itself: who has only that, from a leak, may revoke it by pasting it. */
async function findId(prisma: Queries, idOrPrefix: string): Promise<string> {
  const matches = await prisma.$queryRaw<{ id: string }[]>`
    SELECT id FROM api_keys
    WHERE id = ${idOrPrefix} OR prefix = ${idOrPrefix} OR hash = ${hash('sha256', idOrPrefix)}
    ORDER BY created_at, id
  `.catch(throwTranslated)
  if (matches.length > 1) {
    const ids = matches.map(({ id }) => id)
    throw new AppError(
      'CONFLICT',
      `Several keys begin with ${idOrPrefix}. Name one by its id: ${ids.join(', ')}`,
    )
  }
  if (matches[0] === undefined) throw new AppError('NOT_FOUND', 'No key has that id or prefix.')
  return matches[0].id
}

/** What couldn't be an id is answered like an unknown one, without asking for it. */
function isKeyId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

function noSuchKey(): AppError {
  return new AppError('NOT_FOUND', 'There is no such API key. GET /api-keys lists yours.')
}

function tooManyKeys(owner: string, maker: Identity): AppError {
  const whose = owner === maker.owner ? 'You have' : `"${owner}" has`
  return new AppError(
    'CONFLICT',
    `${whose} ${MOST_LIVING_KEYS} API keys that are in force already. Revoke one that isn't needed any more, with ` +
      'DELETE /api-keys/{id}.',
  )
}

function toRecord(row: KeyRow): ApiKeyRecord {
  return { ...row, isExpired: row.isExpired ?? false }
}

function throwTranslated(error: unknown): never {
  throw translateDatabaseError(error)
}
