// Uploads by the thousand, as rows of the database: their bytes are nobody's business here.

import { withConnection } from '../../support/database.js'

/** Whose key API_UPLOAD_KEYS gives. */
const OWNER = 'default'

export interface ManyUploads {
  count: number
  /** Before the number in each name. */
  prefix: string
  label?: string
  packageId?: string
  /** How long ago the newest was sent; each of the others a second before. */
  newestSecondsAgo?: number
}

/** Ready files `PREFIX00001.csv` …, number 1 the newest; sizes and ends of all kinds. Nothing is told in the event log. */
export async function insertUploads(
  databaseUrl: string,
  { count, prefix, label, packageId, newestSecondsAgo = 60 }: ManyUploads,
): Promise<void> {
  await withConnection(databaseUrl, (client) =>
    client.query(
      `INSERT INTO uploads (id, owner, state, filename, label, package_id, package_path, size_bytes, offset_bytes, md5, sha1, sha256,
         retrieval_token, created_at, finished_at, expires_at, keep_until)
       SELECT encode(sha224(convert_to($2 || n, 'UTF8')), 'hex')::char(40), $3, 'ready', name, $4, $5, CASE WHEN $5::text IS NULL THEN NULL ELSE name END,
         (n * 7919) % 100003, (n * 7919) % 100003, md5(name), repeat('1', 40), encode(sha256(convert_to(name, 'UTF8')), 'hex'),
         encode(sha224(convert_to('t' || $2 || n, 'UTF8')), 'hex'), at, at, at + interval '30 days' + (n % 97) * interval '1 hour',
         at + interval '30 days' + (n % 97) * interval '1 hour'
       FROM (
         SELECT n, $2 || to_char(n, 'FM00000') || '.csv' AS name, now() - ($6::int + n) * interval '1 second' AS at
         FROM generate_series(1, $1::int) AS n
       ) AS made`,
      [count, prefix, OWNER, label ?? null, packageId ?? null, newestSecondsAgo],
    ),
  )
}
