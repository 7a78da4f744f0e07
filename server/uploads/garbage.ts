import type { Logger } from 'pino'
import type { PrismaClient } from '../../prisma/generated/client.js'
import { translateDatabaseError } from '../database/client.js'
import type { Store } from '../storage/store.js'
import type { Discarded } from './records.js'

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

  /** Deletes the bytes, then their rows. Never throws: what fails is logged and left for the sweep. */
  async empty(discarded: readonly Discarded[]): Promise<number> {
    let count = 0
    for (const { kind, objectKey } of discarded) {
      try {
        if (kind === 'temporary') await this.#store.deleteTemporary(objectKey)
        else await this.#store.deleteObject(objectKey)
        await this.#prisma.garbage.deleteMany({ where: { kind, objectKey } })
        count += 1
      } catch (error) {
        this.#log.warn({ err: error, kind, key: objectKey }, 'discarded bytes could not be deleted yet')
      }
    }
    return count
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
