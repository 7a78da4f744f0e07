// What of the records it takes to hand out content by its name.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { reachesUpload } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import { COLUMNS } from '../uploads/columns.js'
import type { Upload } from '../uploads/upload.js'

export class FileRecords {
  readonly #database: Statements

  constructor(prisma: PrismaClient) {
    this.#database = new Statements(prisma)
  }

  /** The newest living upload of `scope` with this content, and where the store keeps it; null when there is none. */
  async findNewest(sha256: string, scope: OwnerScope): Promise<(Upload & { objectKey: string }) | null> {
    const rows = await this.#database.query<Upload & { objectKey: string }>(Prisma.sql`
      SELECT ${COLUMNS}, object_key AS "objectKey"
      FROM (
        SELECT uploads.*, blobs.object_key FROM uploads JOIN blobs USING (sha256)
        WHERE sha256 = ${sha256} AND state = 'ready' AND expires_at > now() AND concat IS DISTINCT FROM 'partial' AND ${reachesUpload(scope)}
      ) AS found
      ORDER BY created_at DESC, id DESC LIMIT 1`)
    return rows[0] ?? null
  }
}
