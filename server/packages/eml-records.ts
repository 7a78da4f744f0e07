// What EML asks of the records: which package, and its files. Owners are kept apart here.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { reachesPackage } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { isId } from '../uploads/random.js'
import { noSuchPackage } from './package.js'

/** A file that is in a package, or on its way there. */
export interface FileRow {
  uploadId: string
  state: 'receiving' | 'finalizing' | 'ready'
  path: string
  filename: string | null
  contentType: string | null
  sizeBytes: bigint | null
  md5: string | null
  sha1: string | null
  retrievalToken: string | null
}

interface Found {
  id: string
  state: 'open' | 'finalized' | 'expired' | 'deleted'
}

/** Held in memory at once, since names are told apart by looking at all of them. */
export const MOST_FILES = 50_000
const PAGE_ROWS = 2_000

export class EmlRecords {
  readonly #database: Statements

  constructor(prisma: PrismaClient) {
    this.#database = new Statements(prisma)
  }

  /** The id of the package, open or finalized. @throws NOT_FOUND, GONE */
  async packageById(id: string, scope: OwnerScope): Promise<string> {
    const [found] = isId(id)
      ? await this.#database.query<Found>(
          Prisma.sql`SELECT id, state::text AS state FROM packages WHERE id = ${id} AND ${reachesPackage(scope)}`,
        )
      : []
    if (found === undefined) throw noSuchPackage()
    if (found.state !== 'open' && found.state !== 'finalized') {
      throw new AppError('GONE', `Package ${id} was ${found.state}. Its files are gone with it.`)
    }
    return found.id
  }

  /** The id of the owner's open package of this label, else of the one that was finalized last. @throws NOT_FOUND */
  async packageByLabel(owner: string, label: string): Promise<string> {
    const [found] = await this.#database.query<Found>(Prisma.sql`
      SELECT id, state::text AS state FROM packages
      WHERE owner = ${owner} AND label = ${label} AND state IN ('open', 'finalized')
      ORDER BY (open_label IS NOT NULL) DESC, finalized_at DESC NULLS LAST, created_at DESC, id DESC LIMIT 1`)
    if (found !== undefined) return found.id
    throw new AppError(
      'NOT_FOUND',
      'You have no open or finalized package with this label. GET /packages lists yours.',
    )
  }

  /**
   * The files of a package, in the order of their paths, without what has ended.
   *
   * @throws CONFLICT when there are more than MOST_FILES
   */
  async filesOf(packageId: string): Promise<FileRow[]> {
    const files: FileRow[] = []
    for (;;) {
      const page = await this.#page(packageId, files.at(-1)?.path ?? '')
      files.push(...page)
      if (files.length > MOST_FILES) {
        throw new AppError(
          'CONFLICT',
          `The package has more than ${MOST_FILES} files, too many for one EML document. Take GET /uploads/{id}/eml of those you need.`,
        )
      }
      if (page.length < PAGE_ROWS) return files
    }
  }

  #page(packageId: string, after: string): Promise<FileRow[]> {
    return this.#database.query<FileRow>(Prisma.sql`
      SELECT id AS "uploadId", state::text AS state, package_path AS path, filename, content_type AS "contentType",
        size_bytes AS "sizeBytes", md5, sha1, retrieval_token AS "retrievalToken"
      FROM uploads WHERE package_id = ${packageId} AND package_path > ${after}
        AND state IN ('receiving', 'finalizing', 'ready') AND (state = 'finalizing' OR expires_at > now())
      ORDER BY package_path LIMIT ${PAGE_ROWS}`)
  }
}
