// What the store has lost, written into the records: by the sweep's comparison, when an operator asks for it.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { appendUploadEvents } from '../events/log.js'
import { FREE_LEASE, STATE_OF_BYTES } from './columns.js'
import { purgeUploads } from './ending.js'
import type { Discarded } from './garbage.js'

/** What its owner reads of an upload whose bytes are gone. */
export function lostBytes(): AppError {
  return new AppError('INTERNAL', 'The store lost the bytes of this upload. Upload the file again.')
}

export class Losses {
  readonly #database: Statements

  constructor(prisma: PrismaClient) {
    this.#database = new Statements(prisma)
  }

  /**
   * Content whose bytes are lost: its uploads are `failed`, what could be restored can't be any more.
   *
   * The blob's record goes in any case: whoever uploads the same bytes again would refer to it, and theirs would be thrown away.
   * Files of finalized packages stay as they are, since those never change; they have their bytes again when somebody brings
   * the same ones. The object itself, if there is one, is left to the sweep.
   *
   * @param objectKey the blob's; null: it has no record
   * @returns how many stay because their package is finalized; null when the record isn't that any more
   */
  async commitLostContent(sha256: string, objectKey: string | null): Promise<number | null> {
    return this.#database.transaction(async (transaction) => {
      // Packages, uploads by id, blobs: in this order everywhere.
      await transaction.$queryRaw`
        SELECT FROM packages WHERE id IN (SELECT package_id FROM uploads WHERE sha256 = ${sha256} AND state = 'ready')
        ORDER BY id FOR SHARE`
      await transaction.$queryRaw`
        SELECT FROM uploads WHERE sha256 = ${sha256} AND ${STATE_OF_BYTES} = 'ready' ORDER BY id FOR UPDATE`
      const blobs = await transaction.$queryRaw<{ objectKey: string }[]>`
        SELECT object_key AS "objectKey" FROM blobs WHERE sha256 = ${sha256} FOR UPDATE`
      if ((blobs[0]?.objectKey ?? null) !== objectKey) return null
      await transaction.$executeRaw`DELETE FROM blobs WHERE sha256 = ${sha256}`
      const failure = lostBytes()
      await transaction.$executeRaw`
        WITH changed AS (
          UPDATE uploads SET state = 'failed', finished_at = now(), error_code = ${failure.code},
            error_detail = ${failure.detail}, package_path = NULL, ${FREE_LEASE}
          WHERE sha256 = ${sha256} AND state = 'ready' AND NOT ${IS_FINALIZED} RETURNING *
        ) ${appendUploadEvents('changed', 'upload.failed.v1')}`
      await transaction.$executeRaw`
        UPDATE uploads SET restore_state = NULL, restore_path = NULL, restorable_until = NULL
        WHERE sha256 = ${sha256} AND restore_state = 'ready'`
      const kept = await transaction.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM uploads WHERE sha256 = ${sha256} AND state = 'ready'`
      return kept[0]?.count ?? 0
    })
  }

  /** An unfinished upload that was canceled so that it could be restored: it can't be any more. */
  async commitLostRestorable(id: string): Promise<Discarded[]> {
    const { discarded } = await this.#database.transaction((transaction) =>
      purgeUploads(transaction, Prisma.sql`id = ${id}`, { isAsked: true }),
    )
    return discarded
  }

  /** Gives up content that no upload has. @returns nothing when one has it by now */
  async commitUnreferenced(sha256: string): Promise<Discarded[]> {
    return this.#database.transaction(async (transaction) => {
      await transaction.$queryRaw`SELECT FROM blobs WHERE sha256 = ${sha256} FOR UPDATE`
      const gone = await transaction.$queryRaw<{ objectKey: string }[]>`
        DELETE FROM blobs WHERE sha256 = ${sha256}
          AND NOT EXISTS (SELECT FROM uploads WHERE uploads.sha256 = blobs.sha256 AND ${STATE_OF_BYTES} = 'ready')
        RETURNING object_key AS "objectKey"`
      const discarded: Discarded[] = gone.map(({ objectKey }) => ({ kind: 'object', objectKey }))
      await transaction.garbage.createMany({ data: discarded, skipDuplicates: true })
      return discarded
    })
  }

  /** Sets what an owner has to what is counted. */
  async recountUsage(owner: string): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      // Whoever changes uploads changes this row at the end of the same statement: held, nothing of theirs is counted twice.
      await transaction.$executeRaw`INSERT INTO owner_usage (owner) VALUES (${owner}) ON CONFLICT DO NOTHING`
      await transaction.$queryRaw`SELECT FROM owner_usage WHERE owner = ${owner} FOR UPDATE`
      await transaction.$executeRaw`
        UPDATE owner_usage SET bytes = counted.bytes, files = counted.files, open_uploads = counted.open_uploads
        FROM (
          SELECT COALESCE(sum((usage).bytes), 0) AS bytes, COALESCE(sum((usage).files), 0) AS files,
            COALESCE(sum((usage).open_uploads), 0) AS open_uploads
          FROM (
            SELECT usage_of(owner, ${STATE_OF_BYTES}, concat, COALESCE(size_bytes, offset_bytes), 1) AS usage
            FROM uploads WHERE owner = ${owner}
          ) AS each
        ) AS counted
        WHERE owner = ${owner}`
    })
  }
}

const IS_FINALIZED = Prisma.sql`EXISTS (
  SELECT FROM packages WHERE packages.id = uploads.package_id AND packages.state = 'finalized')`
