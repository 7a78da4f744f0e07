// The one place that makes a Prisma client, and the one that knows what a database out of reach looks like.

import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { PrismaClient } from '../../prisma/generated/client.js'
import { AppError } from '../errors.js'
import { breakingWhenSilent } from './silence.js'

export interface Connections {
  open: number
  /** Of those that are open. */
  idle: number
  /** Queries for which there is none. */
  waiting: number
  most: number
}

export interface Database {
  readonly prisma: PrismaClient
  /** How the pool is used now. */
  connections(): Connections
  /** Waits for running queries, then closes every connection. */
  close(): Promise<void>
}

const MAX_CONNECTIONS = 10
const CONNECT_TIMEOUT_MILLISECONDS = 5_000
/** After a failover the name may lead elsewhere: no connection stays with the old server for ever. */
const LONGEST_LIFE_SECONDS = 600
/**
 * What PostgreSQL does for each connection: it ends what a client that went away without a word has left, since its row locks
 * would stop all others. No statement of ours takes as long (the longest transaction gives up after 120 s).
 *
 * Not as startup parameters, of which a pooler before the database may refuse some.
 */
const SESSION_SETTINGS = `
  SET statement_timeout = '150s'; SET idle_in_transaction_session_timeout = '60s'; SET tcp_keepalives_idle = 10;
  SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4; SET tcp_user_timeout = 30000`
const MAX_PREPARED_STATEMENTS = 500

/**
 * Opens a pool of at most 10 connections; the first one is made by the first query.
 *
 * A database that goes away, or silent, fails the queries of that time (see `translateDatabaseError`) and nothing else:
 * when it is back, queries work again.
 */
export async function openDatabase(databaseUrl: string): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MILLISECONDS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    maxLifetimeSeconds: LONGEST_LIFE_SECONDS,
    stream: breakingWhenSilent(databaseUrl),
    onConnect: async (client) => {
      await client.query(SESSION_SETTINGS)
    },
    application_name: 'antipasto',
  })
  // An idle connection that the server closes emits 'error', which nobody awaits: the pool has already dropped it.
  pool.on('error', () => {})
  // Nor does the pool listen to one that it hands from a query to a transaction, and Prisma only a moment later. An end that comes in
  // one piece with that query's answer falls between them, and would end the process: the transaction's first query tells of it.
  pool.on('connect', (client) => client.on('error', () => {}))
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: nameStatements() }),
  })
  return {
    prisma,
    connections: () => ({
      open: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
      most: MAX_CONNECTIONS,
    }),
    async close() {
      await prisma.$disconnect()
      await pool.end()
    },
  }
}

/**
 * Gives each statement's text a name, under which Postgres keeps its plan for the connection: measured, half as many
 * queries again per second. The record's statements insert into four tables at once: planning them anew cost as much as
 * running them.
 *
 * Texts beyond the first 500 (lists of changing length) go without a name, so that connections don't grow for ever.
 */
function nameStatements(): (query: { sql: string }) => string {
  const names = new Map<string, string>()
  return ({ sql }) => {
    const known = names.get(sql)
    if (known !== undefined) return known
    if (names.size >= MAX_PREPARED_STATEMENTS) return ''
    const name = `antipasto_${names.size + 1}`
    names.set(sql, name)
    return name
  }
}

// Postgres: connection failures (class 08), transaction or statement that took too long, a standby (which only reads), no such
// password or database any more (a failover, a restore), no resources (disk, memory, connections), a lock not to be had,
// canceled, shutting down, crashed, starting up, dropped, trouble with its files.
const UNAVAILABLE_SQLSTATE = /^(08...|25006|25P0[34]|28...|3D000|53...|55P03|57014|57P0[1-5]|58...)$/
// Prisma: can't reach, timed out, connection closed, pool exhausted, transaction lost, too many connections.
const UNAVAILABLE_PRISMA_CODES = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037'])
const UNAVAILABLE_SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
])
// @prisma/adapter-pg's own names for the same.
const UNAVAILABLE_ADAPTER_KINDS = new Set([
  'AuthenticationFailed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
])
// What `pg` throws without any code.
const UNAVAILABLE_DRIVER_MESSAGE =
  /^(Connection terminated|Cannot use a pool after calling end|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed and is not queryable)/
// ALTER DATABASE … ALLOW_CONNECTIONS false. Its code, 55000, says much else, too.
const CLOSED_DATABASE_MESSAGE = /is not currently accepting connections/

/** True for a write that a unique index refused. */
export function isUniqueViolation(error: unknown): boolean {
  return isRefusedBy(error, ['23505', 'P2002', 'UniqueConstraintViolation'])
}

/** True for a write that the trigger on uploads refused: it would have passed the limits that the statement named. */
export function isOverQuota(error: unknown): boolean {
  return isRefusedBy(error, ['AP001'])
}

/** Looks at `error` and at what it wraps, for Postgres' code or Prisma's. */
function isRefusedBy(error: unknown, codes: readonly string[], depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 4) return false
  const facts = error as Record<string, unknown> // Every member is checked before it is believed.
  return (
    [facts.code, facts.originalCode, facts.kind].some(
      (one) => typeof one === 'string' && codes.includes(one),
    ) ||
    isRefusedBy(facts.cause, codes, depth + 1) ||
    isRefusedBy((facts.meta as Record<string, unknown> | undefined)?.driverAdapterError, codes, depth + 1)
  )
}

/**
 * Turns "the database does not answer" into AppError UNAVAILABLE; gives every other error back as it is.
 *
 * `throw translateDatabaseError(error)` is the way to use it.
 */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof AppError || !isDatabaseOutOfReach(error)) return error
  return new AppError(
    'UNAVAILABLE',
    'The database does not answer. Nothing acknowledged is lost: try again in a few seconds.',
    { cause: error, retryAfterSeconds: 5 },
  )
}

/** Looks at `error` and at what it wraps: Prisma puts the driver's error under `cause` or `meta.driverAdapterError`. */
function isDatabaseOutOfReach(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 4) return false
  const facts = error as Record<string, unknown> // Every member is checked before it is believed.
  return (
    isOutOfReachCode(facts.code) ||
    isOutOfReachCode(facts.originalCode) ||
    (typeof facts.kind === 'string' && UNAVAILABLE_ADAPTER_KINDS.has(facts.kind)) ||
    (typeof facts.message === 'string' && UNAVAILABLE_DRIVER_MESSAGE.test(facts.message)) ||
    [facts.message, facts.originalMessage].some(
      (one) => typeof one === 'string' && CLOSED_DATABASE_MESSAGE.test(one),
    ) ||
    isDatabaseOutOfReach(facts.cause, depth + 1) ||
    isDatabaseOutOfReach(
      (facts.meta as Record<string, unknown> | undefined)?.driverAdapterError,
      depth + 1,
    ) ||
    (Array.isArray(facts.errors) && facts.errors.some((inner) => isDatabaseOutOfReach(inner, depth + 1)))
  )
}

function isOutOfReachCode(code: unknown): boolean {
  return (
    typeof code === 'string' &&
    (UNAVAILABLE_SQLSTATE.test(code) ||
      UNAVAILABLE_PRISMA_CODES.has(code) ||
      UNAVAILABLE_SOCKET_CODES.has(code))
  )
}
