// What owners have here, as Postgres counts it, held against what they may have.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { Statements } from '../database/statements.js'
import type { AppError } from '../errors.js'
import {
  limitsForTrigger,
  NO_USAGE,
  overQuota,
  passes,
  type Quota,
  type Usage,
  withMoreBytes,
} from './quota.js'

export class QuotaRecords {
  readonly #database: Statements
  readonly #quota: Quota
  /** For the trigger on uploads, which refuses what passes them; null: none. */
  readonly limits: string | null

  constructor(prisma: PrismaClient, quota: Quota) {
    this.#database = new Statements(prisma)
    this.#quota = quota
    this.limits = limitsForTrigger(quota)
  }

  /** As `limits`, when `bytes` of what an owner has are about to go. */
  limitsWithMoreBytes(bytes: number): string | null {
    return limitsForTrigger(withMoreBytes(this.#quota, bytes))
  }

  /**
   * Whether `more` would fit beside what the owner has. Only a look: many at once are told apart when they are inserted.
   *
   * @throws QUOTA_EXCEEDED
   */
  async assertWithinQuota(owner: string, more: Usage): Promise<void> {
    if (this.limits === null) return
    const used = await this.usage([owner])
    if (passes(this.#quota, used, more)) throw overQuota(this.#quota, used, more)
  }

  /** How many bytes more the owner may have; Infinity: no quota of bytes. */
  async roomOf(owner: string): Promise<number> {
    if (this.#quota.bytes === undefined) return Number.POSITIVE_INFINITY
    const { bytes } = await this.usage([owner])
    return Math.max(0, this.#quota.bytes - bytes)
  }

  /** Why `more` is refused when the trigger has refused it. */
  async overQuota(owner: string, more: Usage): Promise<AppError> {
    return overQuota(this.#quota, await this.usage([owner]), more)
  }

  /** What one person has here, under all of their names. */
  async usage(owners: readonly string[]): Promise<Usage> {
    const rows = await this.#database.query<Usage>(Prisma.sql`
      SELECT COALESCE(sum(bytes), 0)::float8 AS bytes, COALESCE(sum(files), 0)::float8 AS files,
        COALESCE(sum(open_uploads), 0)::float8 AS "openUploads"
      FROM owner_usage WHERE owner = ANY(${[...owners]})`)
    return rows[0] ?? NO_USAGE
  }
}
