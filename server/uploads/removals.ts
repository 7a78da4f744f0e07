// How uploads are ended because somebody asked for it, and how they come back.

import type { Actor } from '../auth/identity.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import type { Endings } from './endings.js'
import type { Discarded, Garbage } from './garbage.js'
import type { Leases } from './leases.js'
import type { Purges } from './purges.js'
import type { Records } from './records.js'
import { planDeletionWithUndo } from './undo.js'
import { goneError, type Upload } from './upload.js'

export interface RemovalsOptions {
  records: Records
  endings: Endings
  leases: Leases
  garbage: Garbage
  purges: Purges
}

export class Removals {
  readonly #options: RemovalsOptions

  constructor(options: RemovalsOptions) {
    this.#options = options
  }

  /**
   * Cancels or deletes an upload of `scope`: when this resolves its URL is dead, and its bytes are gone unless the store is in
   * trouble, which the sweep makes up for. One that could be restored can't be any more.
   *
   * @param by who asked; null: nobody did
   * @throws NOT_FOUND; GONE when it had ended already; PACKAGE_FINALIZED
   */
  async remove(uploadId: string, scope: OwnerScope, by: Actor | null = null): Promise<void> {
    const { records, endings, purges } = this.#options
    await records.get(uploadId, scope)
    const ended = await endings.commitEnd(uploadId, 'asked', by)
    if (ended === null) throw goneError(await records.get(uploadId, scope))
    purges.forget(uploadId)
    await this.#letGo([ended.upload], ended.discarded)
  }

  /**
   * As `remove`, but for `undoSeconds` everything is kept that `restore` needs. Repeated, it answers the same, and the time isn't
   * moved. What nobody could go on with is removed for good: a failed upload, and one whose only request is under way.
   *
   * @returns the record: `canceled` or `deleted`
   * @throws as `remove`; CONFLICT while it is being finished, INVALID_INPUT for a part of a concatenation
   */
  async removeWithUndo(
    uploadId: string,
    scope: OwnerScope,
    undoSeconds: number,
    by: Actor | null = null,
  ): Promise<Upload> {
    const { records, endings, purges } = this.#options
    for (;;) {
      const upload = await records.get(uploadId, scope)
      const plan = planDeletionWithUndo(upload)
      if (plan === 'repeat') return upload
      if (plan === 'end') {
        await this.remove(uploadId, scope, by)
        return records.get(uploadId, scope)
      }
      const ended = await endings.commitEndWithUndo(uploadId, undoSeconds, by)
      // It was moved, or has got its last byte, since we looked.
      if (ended === null) continue
      purges.plan(uploadId, ended.restorableInSeconds ?? 0)
      await this.#letGo([ended], [])
      return ended
    }
  }

  /**
   * Undoes `removeWithUndo`: the upload is again what it was, where it was, with the same URL. Repeated, it answers the same.
   *
   * @throws NOT_FOUND; GONE, CONFLICT, PACKAGE_FINALIZED as `commitRestore`
   */
  async restore(uploadId: string, scope: OwnerScope, by: Actor | null = null): Promise<Upload> {
    const { records, endings, purges } = this.#options
    await records.get(uploadId, scope)
    const restored = await endings.commitRestore(uploadId, by)
    purges.forget(uploadId)
    return restored
  }

  /**
   * Ends every finished upload of `scope` that has this content.
   *
   * @throws NOT_FOUND; PACKAGE_FINALIZED when one of them is in a finalized package, and then none has ended
   */
  async removeContent(sha256: string, scope: OwnerScope, by: Actor | null = null): Promise<void> {
    const ended = await this.#options.endings.commitEndOfContent(sha256, scope, by)
    await this.#letGo(ended.uploads, ended.discarded)
  }

  /** Ends all uploads of a package that has ended. @param by who asked; null: that isn't known any more */
  async removeAllOf(packageId: string, by: Actor | null = null): Promise<void> {
    const { endings } = this.#options
    const ended = await endings.commitEndOfPackage(packageId, by)
    await this.#letGo(ended.uploads, ended.discarded)
    await this.#letGo([], await endings.commitPurgeOfPackage(packageId))
  }

  /** Stops who still writes them, and frees what nothing refers to. */
  async #letGo(uploads: readonly Upload[], discarded: readonly Discarded[]): Promise<void> {
    const { leases, garbage } = this.#options
    // What was finished has no writer: of a package of thousands, few or none have.
    for (const upload of uploads) if (upload.state === 'canceled') await leases.evict(upload.id)
    await garbage.emptySoon(discarded)
  }
}
