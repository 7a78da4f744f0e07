// What the database holds of a place, as the verdict needs it.

import type pg from 'pg'

export interface UploadRow {
  readonly id: string
  readonly owner: string
  readonly state: string
  readonly key: string | null
  readonly finish: string
  readonly concat: string | null
  readonly filename: string | null
  readonly sizeBytes: number | null
  readonly offsetBytes: number
  readonly multipartId: string | null
  readonly restoreState: string | null
  readonly packageId: string | null
  readonly retrievalToken: string | null
  readonly md5: string | null
  readonly sha1: string | null
  readonly sha256: string | null
  readonly errorCode: string | null
  readonly errorDetail: string | null
  readonly isHeld: boolean
}

export interface EventRow {
  readonly sequence: number | null
  readonly type: string
  readonly owner: string
  readonly uploadId: string | null
}

export interface Records {
  readonly uploads: readonly UploadRow[]
  readonly blobs: readonly { sha256: string; objectKey: string; sizeBytes: number }[]
  readonly parts: readonly {
    uploadId: string
    startBytes: number
    sizeBytes: number
    kind: string
    name: string
  }[]
  /** In their order. */
  readonly events: readonly EventRow[]
  readonly packages: readonly { id: string; state: string; manifestSha256: string | null }[]
  /** What must be empty, as a sentence for each row that isn't. */
  readonly leftovers: readonly string[]
}

/** All of it at one moment. */
export async function readRecords(client: pg.Client): Promise<Records> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    return {
      uploads: await rowsOf(client, UPLOADS),
      blobs: await rowsOf(
        client,
        'SELECT sha256, object_key AS "objectKey", size_bytes::float8 AS "sizeBytes" FROM blobs',
      ),
      parts: await rowsOf(
        client,
        `SELECT upload_id AS "uploadId", start_bytes::float8 AS "startBytes", size_bytes::float8 AS "sizeBytes", kind, name
         FROM parts ORDER BY upload_id, start_bytes`,
      ),
      events: await rowsOf(
        client,
        'SELECT sequence::float8 AS sequence, type, owner, upload_id AS "uploadId" FROM events ORDER BY sequence NULLS LAST, id',
      ),
      packages: await rowsOf(client, 'SELECT id, state, manifest_sha256 AS "manifestSha256" FROM packages'),
      leftovers: (await rowsOf<{ text: string }>(client, LEFTOVERS)).map(({ text }) => text),
    }
  } finally {
    await client.query('COMMIT')
  }
}

async function rowsOf<Row extends object>(client: pg.Client, sql: string): Promise<Row[]> {
  return (await client.query<Row>(sql)).rows
}

const UPLOADS = `
  SELECT id, owner, state, key, finish, concat, filename, size_bytes::float8 AS "sizeBytes", offset_bytes::float8 AS "offsetBytes",
    multipart_id AS "multipartId", restore_state AS "restoreState", package_id AS "packageId",
    retrieval_token AS "retrievalToken", md5, sha1, sha256, error_code AS "errorCode", error_detail AS "errorDetail",
    COALESCE(lease_until > now(), false) AS "isHeld"
  FROM uploads ORDER BY created_at, id`

/** Each says which row stands there without an owner, or doesn't add up. */
const LEFTOVERS = `
  SELECT 'garbage is left: ' || kind || ' ' || object_key AS text FROM garbage
  UNION ALL
  SELECT 'a blob that no upload refers to: ' || sha256 || ', object ' || object_key FROM blobs
  WHERE NOT EXISTS (
    SELECT FROM uploads WHERE uploads.sha256 = blobs.sha256 AND COALESCE(restore_state, state) = 'ready')
  UNION ALL
  SELECT 'upload ' || id || ' is ready without a blob of its size: ' || COALESCE(uploads.sha256, 'no digest') FROM uploads
  LEFT JOIN blobs ON blobs.sha256 = uploads.sha256
  WHERE COALESCE(restore_state, state) = 'ready' AND concat IS DISTINCT FROM 'partial'
    AND (blobs.size_bytes IS DISTINCT FROM uploads.size_bytes)
  UNION ALL
  SELECT 'a ledger entry of upload ' || upload_id || ', which is ' || state || ': ' || kind || ' ' || name
  FROM parts JOIN uploads ON uploads.id = parts.upload_id
  WHERE COALESCE(restore_state, state) NOT IN ('receiving', 'finalizing') AND concat IS DISTINCT FROM 'partial'
  UNION ALL
  SELECT 'the usage of ' || COALESCE(counted.owner, kept.owner) || ' is kept as ' || COALESCE(kept.text, 'nothing') || ', and counts ' ||
    COALESCE(counted.text, 'nothing')
  FROM (
    SELECT owner, sum(bytes) || ' bytes, ' || sum(files) || ' files, ' || sum(open_uploads) || ' open' AS text
    FROM (
      SELECT (usage_of(owner, COALESCE(restore_state, state), concat, COALESCE(size_bytes, offset_bytes), 1)).* FROM uploads
    ) AS each GROUP BY owner
  ) AS counted
  FULL JOIN (
    SELECT owner, bytes || ' bytes, ' || files || ' files, ' || open_uploads || ' open' AS text FROM owner_usage
  ) AS kept ON kept.owner = counted.owner
  WHERE COALESCE(counted.text, '0 bytes, 0 files, 0 open') <> COALESCE(kept.text, '0 bytes, 0 files, 0 open')
  UNION ALL
  SELECT 'concatenation ' || upload_id || ' names ' || partial_id || ', which never was' FROM concat_sources
  WHERE NOT EXISTS (SELECT FROM uploads WHERE id = partial_id)
  UNION ALL
  SELECT 'upload ' || upload_id || ' is told of, and has no record' FROM events
  WHERE upload_id IS NOT NULL AND NOT EXISTS (SELECT FROM uploads WHERE id = upload_id) GROUP BY upload_id`
