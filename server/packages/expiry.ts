// Packages whose time is over. SQL only.

import type { PrismaClient } from '../../prisma/generated/client.js'
import { appendPackageEvent } from '../events/log.js'
import { IS_PAST_END } from './rows.js'

/** Packages that are past their end, at most `limit`. Those in somebody's hands are left for the next time. */
export async function findDuePackages(prisma: PrismaClient, limit: number): Promise<string[]> {
  const rows = await prisma.$queryRaw<{ id: string }[]>`
    SELECT id FROM packages WHERE ${IS_PAST_END} ORDER BY expires_at, id LIMIT ${limit}`
  return rows.map(({ id }) => id)
}

/**
 * Ends those of the packages that are past their end. Their files end at the same moment, by themselves.
 *
 * @returns the ids of those that ended now
 */
export async function expirePackages(prisma: PrismaClient, ids: readonly string[]): Promise<string[]> {
  return prisma.$transaction(async (transaction) => {
    // Asked again under the lock, in a statement of its own: a file may have joined, or the end been moved, since they were found.
    await transaction.$queryRaw`SELECT FROM packages WHERE id = ANY(${ids}) ORDER BY id FOR UPDATE`
    const rows = await transaction.$queryRaw<{ id: string }[]>`
      WITH changed AS (
        UPDATE packages SET state = 'expired', open_label = NULL, ended_at = now()
        WHERE id = ANY(${ids}) AND ${IS_PAST_END} RETURNING *
      ), told AS (${appendPackageEvent('changed', 'package.expired.v1')})
      SELECT id FROM changed`
    return rows.map(({ id }) => id)
  })
}
