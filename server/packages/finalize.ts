// Freezing a package, and the manifest of a frozen one, streamed from its rows.

import { createHash } from 'node:crypto'
import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { appendPackageEvent } from '../events/log.js'
import { isId } from '../uploads/random.js'
import {
  encodeFiles,
  type FrozenFile,
  frameOf,
  type ManifestFormat,
  type ManifestHead,
  manifestFile,
  manifestHead,
  type Provenance,
} from './manifest.js'
import { endAfter } from './membership.js'
import { assertPackageAlive, noSuchPackage, notReadyError, type Package } from './package.js'
import type { RetentionClasses } from './retention.js'
import {
  type Asker,
  lockFiles,
  lockPackage,
  readBlockers,
  readClock,
  readContents,
  readExtensions,
  readPackage,
} from './rows.js'

const MOST_BLOCKERS = 100
/** Encoded in one go: a few milliseconds of the event loop. */
const BATCH_FILES = 250

/** What is known of one form of a manifest before its first byte is sent. */
export interface Manifest {
  sha256: string
  sizeBytes: number
  /** Its bytes, from the database. Throws rather than end, when they aren't those that were frozen. */
  bytes(): AsyncGenerator<Buffer>
}

/** `packages.manifest_head`. */
interface FrozenManifest {
  head: ManifestHead
  size_bytes: Record<ManifestFormat, number>
}

export class PackageFinalizer {
  readonly #database: Statements
  readonly #classes: RetentionClasses
  readonly #provenance: () => Provenance

  constructor(prisma: PrismaClient, classes: RetentionClasses, provenance: () => Provenance) {
    this.#database = new Statements(prisma)
    this.#classes = classes
    this.#provenance = provenance
  }

  /**
   * Freezes a package: from now on it has these files and this manifest, and ends as a whole. Idempotent, whoever else
   * does it at the same time.
   *
   * @throws NOT_FOUND, GONE; CONFLICT when it has no file, or with `details.not_ready` when not all of its files are ready
   */
  async finalize(id: string, scope: OwnerScope): Promise<Package> {
    if (!isId(id)) throw noSuchPackage()
    return this.#database.transaction(async (transaction) => {
      const found = await lockPackage(transaction, id, scope)
      if (found === null) throw noSuchPackage()
      assertPackageAlive(found)
      if (found.state === 'open') await this.#freeze(transaction, found)
      return (await readPackage(transaction, id, scope)) ?? found
    })
  }

  /** @throws CONFLICT when the package isn't finalized */
  async manifest(id: string, format: ManifestFormat): Promise<Manifest> {
    const rows = await this.#database.query<{
      frozen: FrozenManifest
      cbor: string
      json: string
    }>(Prisma.sql`
      SELECT manifest_head AS frozen, manifest_sha256 AS cbor, manifest_json_sha256 AS json FROM packages
      WHERE id = ${id} AND manifest_head IS NOT NULL`)
    const found = rows[0]
    if (found === undefined) {
      throw new AppError(
        'CONFLICT',
        `Package ${id} has no manifest yet. POST /packages/${id}/finalize first.`,
      )
    }
    const sha256 = found[format]
    return {
      sha256,
      sizeBytes: found.frozen.size_bytes[format],
      bytes: () => this.#bytes(id, found.frozen.head, format, sha256),
    }
  }

  /** Under the lock of the package. */
  async #freeze(transaction: Prisma.TransactionClient, found: Package): Promise<void> {
    const { id } = found
    await lockFiles(transaction, id)
    const finalizedAt = await readClock(transaction)
    const at = Prisma.sql`${finalizedAt}::timestamptz`
    // What is past its end has ended, though the sweep hasn't been there: it stands in no package.
    await transaction.$queryRaw`
      UPDATE uploads SET package_path = NULL
      WHERE package_id = ${id} AND package_path IS NOT NULL AND state IN ('receiving', 'ready') AND expires_at <= ${at}`
    const contents = await readContents(transaction, id, at)
    const notReady = contents.failed + contents.unfinished
    if (notReady > 0) throw notReadyError(await readBlockers(transaction, id, at, MOST_BLOCKERS), notReady)
    if (contents.ready === 0) {
      throw new AppError('CONFLICT', `Package ${id} has no file. Upload one into it, then finalize it.`)
    }
    await assertNoFolderIsFile(transaction, id)
    const endsAt = await this.#moveEnd(transaction, found, finalizedAt)
    const extensions = await readExtensions(transaction, id)
    const provenance = this.#provenance()
    const head = manifestHead(found, { finalizedAt, endsAt, contents, extensions, provenance })
    const cbor = createHash('sha256')
    const json = createHash('sha256')
    const sizeBytes = { cbor: 0, json: 0 }
    const read = (behind: string | null) => readFrozenFiles(transaction, id, behind)
    for await (const pieces of encodedPieces(read, id, head, ['cbor', 'json'])) {
      cbor.update(pieces.cbor)
      json.update(pieces.json)
      sizeBytes.cbor += pieces.cbor.byteLength
      sizeBytes.json += pieces.json.byteLength
    }
    const frozen: FrozenManifest = { head, size_bytes: sizeBytes }
    await transaction.$queryRaw`
      WITH changed AS (
        UPDATE packages SET state = 'finalized', open_label = NULL, finalized_at = ${at}, expires_at = ${endsAt}::timestamptz,
          manifest_head = ${JSON.stringify(frozen)}::jsonb, manifest_sha256 = ${cbor.digest('hex')},
          manifest_json_sha256 = ${json.digest('hex')}
        WHERE id = ${id} RETURNING *
      ), told AS (${appendPackageEvent('changed', 'package.finalized.v1')})
      SELECT FROM changed`
  }

  /** All files end with the package, and none of them earlier than it would have alone. @returns when */
  async #moveEnd(transaction: Prisma.TransactionClient, found: Package, finalizedAt: Date): Promise<Date> {
    const ttlSeconds = this.#classes.ttlSecondsOf(found.retentionClass)
    const rows = await transaction.$queryRaw<{ endsAt: Date }[]>`
      SELECT GREATEST(${found.endsAt}::timestamptz, max(keep_until), ${endAfter(ttlSeconds, Prisma.sql`${finalizedAt}::timestamptz`)}) AS "endsAt"
      FROM uploads WHERE package_id = ${found.id} AND package_path IS NOT NULL`
    const endsAt = rows[0]?.endsAt ?? found.endsAt
    await transaction.$queryRaw`
      UPDATE uploads SET keep_until = ${endsAt}::timestamptz, expires_at = ${endsAt}::timestamptz, is_expiry_told = FALSE
      WHERE package_id = ${found.id} AND package_path IS NOT NULL`
    return endsAt
  }

  async *#bytes(
    id: string,
    head: ManifestHead,
    format: ManifestFormat,
    sha256: string,
  ): AsyncGenerator<Buffer> {
    const hash = createHash('sha256')
    // One piece behind: a manifest that turns out to be another one must not look whole.
    let held: Buffer | null = null
    const read = (behind: string | null) =>
      this.#database.translated((prisma) => readFrozenFiles(prisma, id, behind))
    for await (const pieces of encodedPieces(read, id, head, [format])) {
      if (held !== null) yield held
      held = pieces[format]
      hash.update(held)
    }
    if (hash.digest('hex') !== sha256)
      throw new Error(`The manifest of package ${id} isn't the one that was frozen.`)
    if (held !== null) yield held
  }
}

/**
 * A manifest in pieces of up to BATCH_FILES files, in each of `formats`; the other one's are empty.
 *
 * @param read the next files, in order, from behind a path
 */
async function* encodedPieces(
  read: (behind: string | null) => Promise<FrozenFile[]>,
  id: string,
  head: ManifestHead,
  formats: readonly ManifestFormat[],
): AsyncGenerator<Record<ManifestFormat, Buffer>> {
  const inEach = (encode: (format: ManifestFormat) => Buffer): Record<ManifestFormat, Buffer> => ({
    cbor: formats.includes('cbor') ? encode('cbor') : NOTHING,
    json: formats.includes('json') ? encode('json') : NOTHING,
  })
  yield inEach((format) => frameOf(head, format).before)
  let afterPath: string | null = null
  let count = 0
  for (;;) {
    const rows: FrozenFile[] = await read(afterPath)
    const files = rows.map((row) => manifestFile(row, head.provenance.store))
    const isStart = afterPath === null
    if (files.length > 0) {
      yield inEach((format) => encodeFiles(files, format, isStart))
    }
    count += rows.length
    if (rows.length < BATCH_FILES) break
    afterPath = rows.at(-1)?.path ?? null
  }
  if (count !== head.totals.files)
    throw new AppError('GONE', `Package ${id} has ended while its manifest was read.`)
  yield inEach((format) => frameOf(head, format).after)
}

const NOTHING = Buffer.alloc(0)

function readFrozenFiles(asker: Asker, id: string, afterPath: string | null): Promise<FrozenFile[]> {
  const behind = afterPath === null ? Prisma.empty : Prisma.sql`AND package_path COLLATE "C" > ${afterPath}`
  return asker.$queryRaw<FrozenFile[]>`
    SELECT package_path AS path, size_bytes AS "sizeBytes", content_type AS "contentType", md5, sha1, sha256,
      id AS "uploadId", created_at AS "createdAt", finished_at AS "finishedAt"
    FROM uploads WHERE package_id = ${id} AND package_path IS NOT NULL AND state = 'ready' ${behind}
    ORDER BY package_path COLLATE "C" LIMIT ${BATCH_FILES}`
}

/**
 * Refuses a package that no folder can hold: with a file where another file's folder is.
 *
 * @throws CONFLICT naming some of them
 */
async function assertNoFolderIsFile(transaction: Prisma.TransactionClient, id: string): Promise<void> {
  const clashes = await transaction.$queryRaw<{ path: string; uploadId: string }[]>`
    SELECT package_path AS path, id AS "uploadId" FROM uploads AS file
    WHERE package_id = ${id} AND package_path IS NOT NULL AND EXISTS (
      SELECT FROM uploads AS below WHERE below.package_id = ${id}
        -- All that begins with the path and a slash: "0" is the character behind "/".
        AND below.package_path > file.package_path || '/' AND below.package_path < file.package_path || '0')
    ORDER BY package_path LIMIT ${MOST_BLOCKERS}`
  if (clashes.length === 0) return
  const paths = clashes.map(({ path }) => JSON.stringify(path)).slice(0, 5)
  throw new AppError(
    'CONFLICT',
    `Other files of the package have ${paths.join(', ')} for a folder, so no folder could hold them all. Give it another path by POST /uploads/{id}/complete {"relative_path": …}, or DELETE it.`,
    { details: { clashes: clashes.map(({ path, uploadId }) => ({ path, upload_id: uploadId })) } },
  )
}
