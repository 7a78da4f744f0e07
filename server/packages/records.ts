// Packages in Postgres: made, found, listed. How they are frozen is in finalize.ts, how they end in ends.ts.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { anywhere } from '../database/like.js'
import { reachesPackage } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { appendPackageEvent } from '../events/log.js'
import { COLUMNS as UPLOAD_COLUMNS } from '../uploads/columns.js'
import { isId, randomId } from '../uploads/random.js'
import type { Upload } from '../uploads/upload.js'
import { expirePackages } from './expiry.js'
import type { PackageListQuery } from './list-query.js'
import { endAfter } from './membership.js'
import {
  type Contents,
  type Extension,
  noSuchPackage,
  type Package,
  type PackageDescription,
} from './package.js'
import type { RetentionClasses } from './retention.js'
import {
  contentsOf,
  PACKAGE_COLUMNS,
  PACKAGES,
  readContents,
  readExtensions,
  readPackage,
  standingIn,
} from './rows.js'

export class Packages {
  readonly #database: Statements
  readonly #classes: RetentionClasses

  constructor(prisma: PrismaClient, classes: RetentionClasses) {
    this.#database = new Statements(prisma)
    this.#classes = classes
  }

  /**
   * A new, open package without files.
   *
   * @throws INVALID_INPUT for a retention class that there isn't; CONFLICT with `details.package_id` when `owner` has an
   * open one of that label
   */
  async create(owner: string, description: PackageDescription): Promise<Package> {
    const retention = this.#classes.get(description.retentionClass)
    for (;;) {
      const id = randomId()
      const { name, label, producer, subject, metadata } = description
      const made = await this.#database.query<{ id: string }>(Prisma.sql`
        WITH changed AS (
          INSERT INTO packages (id, owner, name, label, open_label, producer, subject, retention_class, metadata, expires_at)
          VALUES (${id}, ${owner}, ${name}, ${label}, ${label}, ${producer}, ${subject}, ${retention.name},
            ${JSON.stringify(metadata)}::jsonb, ${endAfter(retention.ttlSeconds)})
          ON CONFLICT (owner, open_label) DO NOTHING RETURNING *
        ), told AS (${appendPackageEvent('changed', 'package.created.v1')})
        SELECT id FROM changed`)
      if (made.length > 0) return this.get(id, owner)
      await this.#makeWay(owner, label)
    }
  }

  /** @throws NOT_FOUND, the same for what is another's and what never was */
  async get(id: string, scope: OwnerScope): Promise<Package> {
    const found = isId(id)
      ? await this.#database.translated((prisma) => readPackage(prisma, id, scope))
      : null
    if (found === null) throw noSuchPackage()
    return found
  }

  /** One page, newest first, of what `scope` may see, from behind `query.after`; each with what is in it. */
  list(scope: OwnerScope, query: PackageListQuery): Promise<(Package & Contents)[]> {
    const { producer, subject, retentionClass, label, text, after } = query
    const equals: [string, string | null][] = [
      ['producer', producer],
      ['subject', subject],
      ['retention_class', retentionClass],
      ['label', label],
    ]
    const conditions = [
      Prisma.sql`state_now = ANY(${query.states}::text[])`,
      reachesPackage(scope),
      ...equals.flatMap(([column, value]) =>
        value === null ? [] : [Prisma.sql`${Prisma.raw(column)} = ${value}`],
      ),
      ...(text === null ? [] : [matches(text)]),
      ...query.metadata.map(([key, value]) => Prisma.sql`metadata ->> ${key}::text = ${value}`),
      ...(after === null ? [] : [Prisma.sql`(created_at, id) < (${after.at}::timestamptz, ${after.id})`]),
    ]
    // The page first: only what is on it is looked into.
    return this.#database.query(Prisma.sql`
      WITH page AS MATERIALIZED (
        SELECT ${PACKAGE_COLUMNS} FROM ${PACKAGES} WHERE ${Prisma.join(conditions, ' AND ')}
        ORDER BY created_at DESC, id DESC LIMIT ${query.limit}
      )
      SELECT page.*, contents.* FROM page, LATERAL (${contentsOf(Prisma.sql`page.id`)}) AS contents
      ORDER BY "createdAt" DESC, id DESC`)
  }

  contents(id: string): Promise<Contents> {
    return this.#database.translated((prisma) => readContents(prisma, id))
  }

  extensions(id: string): Promise<Extension[]> {
    return this.#database.translated((prisma) => readExtensions(prisma, id))
  }

  /** Up to `limit` of the files that stand in a package, in the order of their paths' bytes, from behind `afterPath`. */
  async files(id: string, afterPath: string | null, limit: number): Promise<Upload[]> {
    const behind = afterPath === null ? Prisma.empty : Prisma.sql`AND package_path COLLATE "C" > ${afterPath}`
    return this.#database.query(Prisma.sql`
      SELECT ${UPLOAD_COLUMNS} FROM uploads WHERE ${standingIn(Prisma.sql`${id}`)} ${behind}
      ORDER BY package_path COLLATE "C" LIMIT ${limit}`)
  }

  /** Lets the next attempt to use a label succeed, when whoever has it is past its end. @throws CONFLICT otherwise */
  async #makeWay(owner: string, label: string | null): Promise<void> {
    const [holder] = await this.#database.query<{ id: string; state: string }>(Prisma.sql`
      SELECT id, state_now AS state FROM ${PACKAGES} WHERE owner = ${owner} AND open_label = ${label}`)
    if (holder?.state === 'expired') {
      await this.#database.translated((prisma) => expirePackages(prisma, [holder.id]))
    }
    if (holder?.state !== 'open') return
    throw new AppError(
      'CONFLICT',
      `Package ${holder.id} is open under the label ${JSON.stringify(label)}. Upload into that one, finalize it first, or take another label.`,
      { details: { package_id: holder.id } },
    )
  }
}

function matches(text: string): Prisma.Sql {
  const pattern = anywhere(text)
  return Prisma.sql`(name ILIKE ${pattern} OR label ILIKE ${pattern})`
}
