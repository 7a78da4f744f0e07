// What PostgreSQL has against a connection at the start, in words that say what to mend. Pure.

import { AppError, isAppError } from '../errors.js'

/** Codes that only an operator ends. */
const MENDS: Record<string, (database: string) => string> = {
  '28P01': () => 'Mend the user and the password in DATABASE_URL.',
  '28000': () => 'Mend DATABASE_URL, or let this machine in (pg_hba.conf).',
  '3D000': (database) => `Create the database ${database}, or mend DATABASE_URL.`,
  '42501': (database) => `Let the user of DATABASE_URL own the database ${database}, or create tables in it.`,
}

/** read_only_sql_transaction: it passes when the standby is promoted. */
const READ_ONLY = '25006'

/** The server has no TLS, or one that Node doesn't trust; no password where one is asked for. */
const WRONG_URL = /SSL|TLS|certificate|client password must be a string/i

/**
 * What `error`, of a connection to `databaseUrl`, says to an operator; without the password.
 *
 * UNAVAILABLE with `retryAfterSeconds` for what may pass by itself, without for what has to be mended. What isn't about the
 * connection comes back as it is.
 */
export function explainRefusal(error: unknown, databaseUrl: string): unknown {
  const cause = causeOf(error)
  const { host, pathname } = new URL(databaseUrl)
  const mend = MENDS[cause.code]
  if (mend !== undefined) {
    const database = decodeURIComponent(pathname.slice(1))
    return refused(`The database at ${host} refuses: ${cause.message}. ${mend(database)}`, error)
  }
  // Node speaks of TLS, too, when a connection ends while it is being made: that passes.
  const isWrongUrl = WRONG_URL.test(cause.message) && cause.code !== 'ECONNRESET'
  if (isWrongUrl && !isAppError(error, 'CONFLICT')) {
    return refused(`The database at ${host} refuses: ${cause.message}. Mend DATABASE_URL (sslmode).`, error)
  }
  if (!isAppError(error, 'UNAVAILABLE')) return error
  const detail =
    cause.code === READ_ONLY
      ? `The database at ${host} is read-only: a standby, or one that is just taking over. Let DATABASE_URL name the primary.`
      : `The database at ${host} does not answer (${cause.code || cause.message || 'no answer'}). Check DATABASE_URL, and that PostgreSQL runs there.`
  return new AppError('UNAVAILABLE', detail, {
    cause: error,
    retryAfterSeconds: error.retryAfterSeconds ?? 5,
  })
}

function refused(detail: string, cause: unknown): AppError {
  return new AppError('UNAVAILABLE', detail, { cause })
}

/** The driver's word, under our own. */
function causeOf(error: unknown): { code: string; message: string } {
  const facts = (isAppError(error) ? error.cause : error) as { code?: unknown; message?: unknown } | undefined
  return {
    code: typeof facts?.code === 'string' ? facts.code : '',
    message: typeof facts?.message === 'string' ? facts.message : '',
  }
}
