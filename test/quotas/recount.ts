// What owner_usage says, beside what it should say: counted anew from the uploads.

import type { Ground } from '../uploads/parts.js'

export interface UsageRow {
  owner: string
  bytes: number
  files: number
  open_uploads: number
}

/** Both as they are at one moment, by owner; those who have nothing are left out. */
export async function usageTwice(
  ground: Pick<Ground, 'rows'>,
): Promise<{ kept: UsageRow[]; recounted: UsageRow[] }> {
  const rows = await ground.rows<{ kept: UsageRow[]; recounted: UsageRow[] }>(`
    WITH counted AS (
      -- What can be restored counts as what it was.
      SELECT owner, concat, size_bytes, offset_bytes, COALESCE(restore_state, state) AS state FROM uploads
    ), recounted AS (
      SELECT owner, sum(COALESCE(size_bytes, offset_bytes))::float8 AS bytes,
        (count(*) FILTER (WHERE concat IS DISTINCT FROM 'partial'))::int AS files,
        (count(*) FILTER (WHERE state <> 'ready'))::int AS open_uploads
      FROM counted WHERE state IN ('receiving', 'finalizing', 'ready') GROUP BY owner
    ), kept AS (SELECT owner, bytes::float8 AS bytes, files, open_uploads FROM owner_usage)
    SELECT
      COALESCE((SELECT json_agg(kept ORDER BY owner) FROM kept WHERE (bytes, files, open_uploads) <> (0, 0, 0)), '[]')
        AS kept,
      COALESCE((SELECT json_agg(recounted ORDER BY owner) FROM recounted WHERE (bytes, files, open_uploads) <> (0, 0, 0)), '[]')
        AS recounted`)
  return rows[0] ?? { kept: [], recounted: [] }
}
