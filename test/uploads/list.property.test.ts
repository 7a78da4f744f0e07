// The list of uploads on a real database: whatever it is sorted by and however its pages are cut, each row comes once, in order.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Database, openDatabase } from '../../server/database/client.js'
import { NO_QUOTA } from '../../server/quotas/quota.js'
import { QuotaRecords } from '../../server/quotas/records.js'
import { cursorBehind, type ListQuery, parseListQuery } from '../../server/uploads/list-query.js'
import { Records } from '../../server/uploads/records.js'
import type { Upload } from '../../server/uploads/upload.js'
import fc from '../support/properties.js'
import { type Ground, newGround } from './parts.js'

const OWNER = 'ada'
const SORTS = ['created_at', 'expires_at', 'filename', 'size'].flatMap((name) => [name, `-${name}`])

let ground: Ground
let database: Database
let records: Records

beforeAll(async () => {
  ground = await newGround()
  database = await openDatabase(ground.databaseUrl)
  records = new Records(
    database.prisma,
    { uploadTtlSeconds: 3600, sessionTtlSeconds: 600, maxTtlSeconds: 7200 },
    new QuotaRecords(database.prisma, NO_QUOTA),
  )
})
afterAll(async () => {
  await database.close()
  await ground.dispose()
})

interface Row {
  filename: string | null
  sizeBytes: number | null
  createdAt: number
  expiresAt: number
}

/** So few values that there are many ties; names whose order differs in a locale, in UTF-16 and in bytes. */
const aName = fc.oneof(
  fc.constantFrom(
    null,
    '',
    'a',
    'A',
    'b.csv',
    'B.csv',
    '_b',
    'a b',
    'ab',
    'Ähre.csv',
    'ähre.csv',
    '\uffee',
    '\u{1f30a}.csv',
  ),
  fc.constantFrom('100%', "it's", '"quoted"', 'back\\slash', 'x'.repeat(1024), `${'湖'.repeat(341)}y`),
  fc.string({ unit: 'grapheme-ascii', maxLength: 3 }),
)
const aRow: fc.Arbitrary<Row> = fc.record({
  filename: aName,
  sizeBytes: fc.oneof(fc.constantFrom(null, 0, 1, 2, Number.MAX_SAFE_INTEGER), fc.nat(5), fc.maxSafeNat()),
  createdAt: fc.nat(3),
  expiresAt: fc.nat(3),
})

async function insert(rows: readonly Row[], owner = OWNER): Promise<void> {
  await ground.rows(
    `INSERT INTO uploads (id, owner, state, filename, size_bytes, offset_bytes, created_at, expires_at, keep_until)
     SELECT encode(sha256(convert_to($2 || nth, 'UTF8')), 'hex'), $2, 'receiving', filename, size, 0,
       '2026-01-01Z'::timestamptz + created * interval '1 ms', '2126-01-01Z'::timestamptz + expires * interval '1 ms', now()
     FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS (filename text, size bigint, created int, expires int))
       WITH ORDINALITY AS rows (filename, size, created, expires, nth)`,
    [
      JSON.stringify(
        rows.map(({ filename, sizeBytes, createdAt, expiresAt }) => ({
          filename,
          size: sizeBytes,
          created: createdAt,
          expires: expiresAt,
        })),
      ),
      owner,
    ],
  )
}

/** What the order of `sort` compares, as the server says of it. */
function compare(sort: ListQuery['sort'], one: Upload, other: Upload): number {
  const bySort = {
    created_at: () => one.createdAt.getTime() - other.createdAt.getTime(),
    expires_at: () => one.expiresAt.getTime() - other.expiresAt.getTime(),
    size: () => Number((one.sizeBytes ?? 0n) - (other.sizeBytes ?? 0n)),
    filename: () => Buffer.compare(folded(one), folded(other)),
  }
  const order = bySort[sort.column]() || (one.id < other.id ? -1 : 1)
  return sort.isDescending ? -order : order
}

const folded = ({ filename }: Upload) => Buffer.from((filename ?? '').toLowerCase())

/** Page by page, as a client goes on by cursors. */
async function walk(sort: string, limits: readonly number[]): Promise<Upload[]> {
  const seen: Upload[] = []
  let cursor: string | undefined
  for (let page = 0; ; page += 1) {
    const limit = limits[page % limits.length] ?? 1
    const query = parseListQuery({ sort, limit: String(limit), ...(cursor === undefined ? {} : { cursor }) })
    const found = await records.list(OWNER, query)
    seen.push(...found)
    const last = found.at(-1)
    if (last === undefined || found.length < limit) return seen
    cursor = cursorBehind(query.sort, last)
  }
}

describe.each(SORTS)('sorted by %s', (sort) => {
  test('pages of any sizes show every upload once, in one order, ties and all', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(aRow, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
        async (rows, limits) => {
          await ground.rows('TRUNCATE uploads CASCADE')
          await insert(rows)
          await insert(rows.slice(0, 3), 'somebody else')
          const seen = await walk(sort, limits)
          expect(seen).toHaveLength(rows.length)
          expect(new Set(seen.map(({ id }) => id)).size).toBe(rows.length)
          expect(seen.every(({ owner }) => owner === OWNER)).toBe(true)
          const asked = parseListQuery({ sort }).sort
          const sorted = [...seen].sort((one, other) => compare(asked, one, other))
          expect(seen.map(({ id }) => id)).toEqual(sorted.map(({ id }) => id))
        },
      ),
      { numRuns: 25 },
    )
  })

  test('is the other direction backwards', async () => {
    await ground.rows('TRUNCATE uploads CASCADE')
    await insert(fc.sample(aRow, 40))
    const backwards = sort.startsWith('-') ? sort.slice(1) : `-${sort}`
    const [one, other] = [await walk(sort, [7]), await walk(backwards, [3])]
    expect(one.map(({ id }) => id)).toEqual(other.map(({ id }) => id).reverse())
  })
})
