import type { Logger } from 'pino'
import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { Statements } from '../database/statements.js'
import type { Store } from '../storage/store.js'
import { withPatience } from './patience.js'

/** Bytes that lost their last reference in the transaction which names them. */
export interface Discarded {
  kind: 'temporary' | 'object'
  objectKey: string
}

/** A deletion waits for the store more than it works. */
const AT_ONCE = 16
const PATIENCE_MS = 10_000

/**
 * Bytes that nothing refers to any more, on their way out.
 *
 * Their rows are written in the transaction that let go of them, so a crash between that and here loses nothing: the
 * next sweep empties what is left. Keys are never used again, so a late deletion can't hit other bytes.
 */
export class Garbage {
  readonly #database: Statements
  readonly #store: Store
  readonly #log: Logger

  constructor(prisma: PrismaClient, store: Store, log: Logger) {
    this.#database = new Statements(prisma)
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
    for (let at = 0; at < discarded.length; at += AT_ONCE) {
      const some = discarded.slice(at, at + AT_ONCE)
      const gone = await this.#delete(some)
      count += gone.length
      // Each has been tried for a while: a store that is away is left alone, one thing that can't be deleted is passed by.
      if (gone.length === 0) break
    }
    return count
  }

  /** @returns those that are gone, their rows too */
  async #delete(discarded: readonly Discarded[]): Promise<Discarded[]> {
    const deleted = await Promise.all(discarded.map((one) => this.#deleteBytes(one)))
    const gone = discarded.filter((_, index) => deleted[index])
    try {
      await this.#database.query(Prisma.sql`
        DELETE FROM garbage USING unnest(
          ${gone.map(({ kind }) => kind)}::"GarbageKind"[], ${gone.map(({ objectKey }) => objectKey)}::text[]
        ) AS gone (kind, object_key)
        WHERE garbage.kind = gone.kind AND garbage.object_key = gone.object_key`)
      return gone
    } catch (error) {
      this.#log.warn({ err: error }, 'discarded bytes are gone, and stay on the list')
      return []
    }
  }

  async #deleteBytes({ kind, objectKey }: Discarded): Promise<boolean> {
    try {
      if (kind === 'temporary') await this.#store.deleteTemporary(objectKey)
      else await this.#store.deleteObject(objectKey)
      return true
    } catch (error) {
      this.#log.warn({ err: error, kind, key: objectKey }, 'discarded bytes could not be deleted yet')
      return false
    }
  }

  /** As `empty`, for whoever answers a client: a store in trouble is waited for no longer than 10 s, and the rest goes on. */
  async emptySoon(discarded: readonly Discarded[]): Promise<void> {
    if (discarded.length > 0) await withPatience(this.empty(discarded), PATIENCE_MS, 0)
  }

  async list(limit: number): Promise<Discarded[]> {
    return this.#database.translated((prisma) =>
      prisma.garbage.findMany({
        select: { kind: true, objectKey: true },
        orderBy: { createdAt: 'asc' },
        take: limit,
      }),
    )
  }
}
