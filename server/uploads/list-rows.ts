// The list of uploads as one statement. What may be asked of it is in list-query.ts.

import { Prisma } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { anywhere } from '../database/like.js'
import { ownedBy, reachesUpload } from '../database/owned-by.js'
import { COLUMNS } from './columns.js'
import { type ListQuery, NO_PACKAGE, type Position, type SortColumn } from './list-query.js'

/** One page, in the query's order, of what `scope` may see, from behind `query.after`: rows as Upload has them. */
export function selectPage(scope: OwnerScope, query: ListQuery): Prisma.Sql {
  const { packageId, label, text, after, sort } = query
  const { key } = SORT_KEYS[sort.column]
  const direction = Prisma.raw(sort.isDescending ? 'DESC' : 'ASC')
  const isInPackage = packageId !== null && packageId !== NO_PACKAGE
  const conditions = [
    Prisma.sql`state = ANY(${query.states}::"UploadState"[])`,
    // What others share is found by its package: among one's own it would have no end.
    isInPackage ? reachesUpload(scope) : ownedBy(scope),
    Prisma.sql`concat IS DISTINCT FROM 'partial'`,
    ...(isInPackage ? [Prisma.sql`package_id = ${packageId}`] : []),
    ...(packageId === NO_PACKAGE ? [Prisma.sql`package_id IS NULL`] : []),
    ...(label === null ? [] : [Prisma.sql`label = ${label}`]),
    ...(text === null ? [] : [matches(text)]),
    ...(after === null ? [] : [behind(sort, after)]),
  ]
  return Prisma.sql`
    SELECT ${COLUMNS} FROM uploads WHERE ${Prisma.join(conditions, ' AND ')}
    ORDER BY ${key} ${direction}, id ${direction} LIMIT ${query.limit}`
}

interface SortKey {
  key: Prisma.Sql
  /** The key of a row that has `value` there. */
  keyOf(value: Position['value']): Prisma.Sql
}

const ofTime = (column: string): SortKey => ({
  key: Prisma.raw(column),
  keyOf: (at) => Prisma.sql`${at}::timestamptz`,
})

/** The byte order of "C" is the same in every database; the order of a locale isn't, and changes with the system's library. */
const SORT_KEYS: Record<SortColumn, SortKey> = {
  created_at: ofTime('created_at'),
  expires_at: ofTime('expires_at'),
  filename: {
    key: Prisma.sql`lower(COALESCE(filename, '')) COLLATE "C"`,
    keyOf: (name) => Prisma.sql`lower(${name}::text) COLLATE "C"`,
  },
  size: {
    key: Prisma.sql`COALESCE(size_bytes, 0)`,
    keyOf: (sizeBytes) => Prisma.sql`${sizeBytes}::bigint`,
  },
}

function behind({ column, isDescending }: ListQuery['sort'], { value, id }: Position): Prisma.Sql {
  const { key, keyOf } = SORT_KEYS[column]
  const comparison = Prisma.raw(isDescending ? '<' : '>')
  return Prisma.sql`(${key}, id) ${comparison} (${keyOf(value)}, ${id})`
}

function matches(text: string): Prisma.Sql {
  const pattern = anywhere(text)
  return Prisma.sql`(filename ILIKE ${pattern} OR label ILIKE ${pattern} OR key ILIKE ${pattern}
    OR relative_path ILIKE ${pattern} OR id = ${text})`
}
