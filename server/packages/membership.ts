// Which package an upload joins. What it writes of packages is only that a label has one; the rest is in records.ts.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { Uploader } from '../auth/owner-scope.js'
import { onlySeen } from '../auth/shared.js'
import { reachesPackage } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { appendPackageEvent } from '../events/log.js'
import { isId, randomId } from '../uploads/random.js'
import { expirePackages } from './expiry.js'
import { noSuchPackage } from './package.js'
import { NEVER, type RetentionClasses } from './retention.js'
import { STATE_NOW } from './rows.js'

/** An open package, as it was found: it may be finalized before the upload has joined it, so joining asks again. */
export interface Place {
  packageId: string
  /** How long its files are kept from their start; null: for ever. */
  ttlSeconds: number | null
}

interface Found {
  id: string
  state: 'open' | 'finalized' | 'expired' | 'deleted'
  retentionClass: string
}

export class Membership {
  readonly #database: Statements
  readonly #classes: RetentionClasses

  constructor(prisma: PrismaClient, classes: RetentionClasses) {
    this.#database = new Statements(prisma)
    this.#classes = classes
  }

  /**
   * The package that a new upload joins: the one it names, else its owner's open one of its label, made on first use.
   *
   * @param beforeMaking asked when one would be made; what it throws keeps it from being
   * @returns null when it names neither
   * @throws NOT_FOUND, PACKAGE_FINALIZED, GONE
   */
  async placeFor(
    { owner, packages }: Pick<Uploader, 'owner' | 'packages'>,
    wanted: { packageId: string | null; label: string | null },
    beforeMaking: () => Promise<void> = async () => {},
  ): Promise<Place | null> {
    if (wanted.packageId !== null) return this.#placeOf(await this.#named(packages, wanted.packageId))
    if (wanted.label === null) return null
    return this.#placeOf(await this.#labelled(owner, wanted.label, beforeMaking))
  }

  #placeOf(found: Found): Place {
    assertOpen(found)
    return { packageId: found.id, ttlSeconds: this.#classes.ttlSecondsOf(found.retentionClass) }
  }

  async #named(scope: Uploader['packages'], id: string): Promise<Found> {
    const rows = isId(id)
      ? await this.#database.query<Found>(Prisma.sql`
          SELECT id, ${STATE_NOW} AS state, retention_class AS "retentionClass" FROM packages
          WHERE id = ${id} AND ${reachesPackage(scope)}`)
      : []
    if (rows[0] !== undefined) return rows[0]
    if (typeof scope !== 'object' || scope.right === 'read') throw noSuchPackage()
    await this.#named({ ...scope, right: 'read' }, id)
    throw onlySeen()
  }

  async #labelled(owner: string, label: string, beforeMaking: () => Promise<void>): Promise<Found> {
    for (;;) {
      const [found] = await this.#database.query<Found>(Prisma.sql`
        SELECT id, ${STATE_NOW} AS state, retention_class AS "retentionClass" FROM packages
        WHERE owner = ${owner} AND open_label = ${label}`)
      if (found?.state === 'open') return found
      // Past its end, and the sweep hasn't been there: the label is free.
      if (found !== undefined) await this.#database.translated((prisma) => expirePackages(prisma, [found.id]))
      await beforeMaking()
      // Whoever comes second finds the first one's, the next time round.
      const { name, ttlSeconds } = this.#classes.get(null)
      const made = await this.#database.query<Found>(Prisma.sql`
        WITH changed AS (
          INSERT INTO packages (id, owner, name, label, open_label, retention_class, expires_at)
          VALUES (${randomId()}, ${owner}, ${label}, ${label}, ${label}, ${name}, ${endAfter(ttlSeconds)})
          ON CONFLICT (owner, open_label) DO NOTHING RETURNING *
        ), told AS (${appendPackageEvent('changed', 'package.created.v1')})
        SELECT id, state::text AS state, retention_class AS "retentionClass" FROM changed`)
      if (made[0] !== undefined) return made[0]
    }
  }
}

/** The moment `ttlSeconds` after `start`, by default from now by the database's clock; NEVER for null. */
export function endAfter(ttlSeconds: number | null, start: Prisma.Sql = Prisma.sql`now()`): Prisma.Sql {
  return ttlSeconds === null
    ? Prisma.sql`${NEVER}::timestamptz`
    : Prisma.sql`${start} + ${ttlSeconds}::float8 * interval '1 second'`
}

/** @throws PACKAGE_FINALIZED, GONE for a package that takes nothing in any more */
export function assertOpen({ id, state }: Pick<Found, 'id' | 'state'>): void {
  if (state === 'finalized') {
    throw new AppError(
      'PACKAGE_FINALIZED',
      `Package ${id} is finalized and doesn't change any more. Make a new package for other files.`,
      { details: { package_id: id } },
    )
  }
  if (state !== 'open') throw new AppError('GONE', `Package ${id} was ${state}. Make a new one.`)
}
