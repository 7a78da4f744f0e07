// Where in which package an upload stands: found with the upload's record, and asked again when it was finalized in between.

import { EVERYONE, type OwnerScope, type Uploader } from '../auth/owner-scope.js'
import { AppError } from '../errors.js'
import type { Membership, Place } from '../packages/membership.js'
import type { Idempotency, NewUploadOptions } from './insertion.js'
import type { Records } from './records.js'
import { assertAlive, isPartial, pathInPackage, type Upload, type UploadDescription } from './upload.js'

export class Placement {
  readonly #records: Records
  readonly #membership: Membership

  constructor(records: Records, membership: Membership) {
    this.#records = records
    this.#membership = membership
  }

  /** Makes a record in the package that it asks for. @throws as `begin` */
  async insert(
    id: string,
    uploader: Uploader,
    description: UploadDescription,
    options: NewUploadOptions,
  ): Promise<Upload> {
    const { idempotency = null } = options
    return this.place({ id, uploader, description, idempotency }, (place) =>
      this.#records.insertReceiving(id, uploader.owner, description, place, options),
    )
  }

  /**
   * Does what puts a new upload into its package, again when the package was finalized in between: a label has another then.
   *
   * @param insert answers null when there is no place for the upload
   */
  async place<T>(
    upload: {
      id: string
      uploader: Uploader
      description: UploadDescription
      idempotency: Idempotency | null
    },
    insert: (place: Place | null) => Promise<T | null>,
  ): Promise<T> {
    const { id, uploader, description, idempotency } = upload
    // A part of a concatenation is no file of any package.
    const wanted = description.concat === 'partial' ? { packageId: null, label: null } : description
    const inserted = await tryTwice(async () => {
      const place = await this.#membership.placeFor(uploader, wanted, () =>
        this.#assertUnused(uploader.owner, idempotency),
      )
      const done = await insert(place)
      if (done === null) await this.#assertPathFree(place, pathInPackage(description, id), id)
      return done
    })
    if (inserted !== null) return inserted
    throw madeTwice()
  }

  /** What has come before must not make a package again, when its own is finalized. @throws CONFLICT */
  async #assertUnused(owner: string, idempotency: Idempotency | null): Promise<void> {
    if (idempotency === null) return
    if ((await this.#records.findByIdempotencyKey(owner, idempotency.key)) !== null) throw madeTwice()
  }

  /**
   * Moves a living upload into a package, to another path in its own, or out of it when it names neither package nor label.
   *
   * @param packages into which it may be put: by default its owner's own
   * @throws PACKAGE_FINALIZED for the package it leaves or joins, CONFLICT when the path is taken, NOT_FOUND, GONE
   */
  async move(
    upload: Upload,
    to: { packageId: string | null; label: string | null; relativePath: string | null },
    packages: OwnerScope = upload.owner,
  ): Promise<Upload> {
    const { label, relativePath } = to
    if (isPartial(upload))
      throw new AppError(
        'CONFLICT',
        'A part of a concatenation stands in no package. Label what is made of it.',
      )
    const path = pathInPackage({ relativePath, filename: upload.filename }, upload.id)
    const isThere =
      upload.packageId !== null &&
      upload.packageId === to.packageId &&
      upload.packagePath === path &&
      upload.label === label
    if (isThere) return upload
    const moved = await tryTwice(async () => {
      const place = await this.#membership.placeFor({ owner: upload.owner, packages }, to)
      const done = await this.#records.move(upload.id, { place, label, relativePath, path })
      if (done === null) await this.#assertPathFree(place, path, upload.id)
      return done
    })
    if (moved !== null) return moved
    const now = await this.#records.get(upload.id, EVERYONE)
    assertAlive(now)
    throw new AppError(
      'PACKAGE_FINALIZED',
      `The upload belongs to package ${now.packageId}, which is finalized. It can't be moved or renamed any more.`,
    )
  }

  /** @throws CONFLICT that names the upload which stands there */
  async #assertPathFree(place: Place | null, path: string, id: string): Promise<void> {
    if (place === null) return
    const other = await this.#records.findInPackage(place.packageId, path)
    if (other === null || other.id === id) return
    const isUnfinished = other.state === 'receiving'
    throw new AppError(
      'CONFLICT',
      `The package has a file at "${path}" already: upload ${other.id}, ${other.state}. ${
        isUnfinished ? 'Resume that one, or' : 'Give another relative path, or'
      } DELETE /uploads/${other.id} first.`,
      { details: { upload_id: other.id, package_id: place.packageId, relative_path: path } },
    )
  }
}

function madeTwice(): AppError {
  return new AppError(
    'CONFLICT',
    'The same request is being made twice at once. Send it again in a second.',
    {
      retryAfterSeconds: 1,
    },
  )
}

/** Once more when the first time there was no place: what was in the way may have gone. */
async function tryTwice<T>(act: () => Promise<T | null>): Promise<T | null> {
  return (await act()) ?? (await act())
}
