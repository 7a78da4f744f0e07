// The ledger's rows as SQL.

import { Prisma } from '../../prisma/generated/client.js'
import type { Ledger, StoredPart } from '../storage/store.js'

export interface PartRow extends Omit<StoredPart, 'startBytes' | 'sizeBytes'> {
  startBytes: bigint
  sizeBytes: bigint
}

export function toPart(row: PartRow): StoredPart {
  return { ...row, startBytes: Number(row.startBytes), sizeBytes: Number(row.sizeBytes) }
}

/** The multipart upload is made by whoever writes its first part; the newest counts, since its parts do. */
export function multipartOf({ multipartId }: Ledger): Prisma.Sql {
  return Prisma.sql`multipart_id = COALESCE(${multipartId}, multipart_id)`
}

/** Enters parts of the upload in `changed` into the ledger. One replaces all that begin inside the stretch that it covers. */
export function placeParts({ parts }: Ledger): Prisma.Sql {
  if (parts.length === 0) return Prisma.empty
  return Prisma.sql`, fresh AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(parts)}::jsonb) AS fresh (
        kind text, "startBytes" bigint, "sizeBytes" bigint, name text, etag text)
    ), replaced AS (
      DELETE FROM parts USING changed, fresh WHERE parts.upload_id = changed.id
        AND parts.start_bytes > "startBytes" AND parts.start_bytes < "startBytes" + "sizeBytes"
    ), placed_parts AS (
      INSERT INTO parts (upload_id, start_bytes, size_bytes, kind, name, etag)
      SELECT changed.id, "startBytes", "sizeBytes", kind::"PartKind", name, etag FROM changed, fresh
      ON CONFLICT (upload_id, start_bytes) DO UPDATE SET size_bytes = excluded.size_bytes, kind = excluded.kind,
        name = excluded.name, etag = excluded.etag
    )`
}
