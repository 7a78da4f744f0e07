import type { Logger } from 'pino'
import type { PrismaClient } from '../../prisma/generated/client.js'
import { translateDatabaseError } from '../database/client.js'
import type { Store } from '../storage/store.js'
import { withPatience } from './patience.js'
import type { Discarded } from './records.js'

const GIVE_UP_AFTER = 3
const PATIENCE_MS = 10_000

/**
 * Bytes that nothing refers to any more, on their way out.
 *
 * Their rows are written in the transaction that let go of them, so a crash between that and here loses nothing: the
 * next sweep empties what is left. Keys are never used again, so a late deletion can't hit other bytes.
 */
export class Garbage {
  readonly #prisma: PrismaClient
  readonly #store: Store
  readonly #log: Logger

  constructor(prisma: PrismaClient, store: Store, log: Logger) {
    this.#prisma = prisma
    this.#store = store
    this.#log = log
  }

  /**
   * Deletes the bytes, then their rows. Never throws: what fails is logged and left for the sweep.
   *
   * @returns how many are gone
   */
  async empty(discarded: readonly Discarded[]): Promise<number> {
    let count = 0
    let failuresInARow = 0
    for (const { kind, objectKey } of discarded) {
      // Each has been tried for a while: a store that is away is left alone, one thing that can't be deleted is passed by.
      if (failuresInARow === GIVE_UP_AFTER) break
      try {
        if (kind === 'temporary') await this.#store.deleteTemporary(objectKey)
        else await this.#store.deleteObject(objectKey)
        await this.#prisma.garbage.deleteMany({ where: { kind, objectKey } })
        count += 1
        failuresInARow = 0
      } catch (error) {
        failuresInARow += 1
        this.#log.warn({ err: error, kind, key: objectKey }, 'discarded bytes could not be deleted yet')
      }
    }
    return count
  }

  /** As `empty`, for whoever answers a client: a store in trouble is waited for no longer than 10 s, and the rest goes on. */
  async emptySoon(discarded: readonly Discarded[]): Promise<void> {
    if (discarded.length > 0) await withPatience(this.empty(discarded), PATIENCE_MS, 0)
  }

  async list(limit: number): Promise<Discarded[]> {
    try {
      return await this.#prisma.garbage.findMany({
        select: { kind: true, objectKey: true },
        orderBy: { createdAt: 'asc' },
        take: limit,
      })
    } catch (error) {
      throw translateDatabaseError(error)
    }
  }
}
