// How statements and transactions reach Postgres: a database that doesn't answer is told as UNAVAILABLE here, once for all of them.

import type { Prisma, PrismaClient } from '../../prisma/generated/client.js'
import { translateDatabaseError } from './client.js'

/** A package of thousands of files is finalized, or ends, in one transaction, and others wait for it. */
const PATIENT = { maxWait: 10_000, timeout: 120_000 }

export class Statements {
  readonly #prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma
  }

  /** The rows that one statement answers; it is a transaction of its own. @throws UNAVAILABLE */
  async query<Row>(statement: Prisma.Sql): Promise<Row[]> {
    return this.translated((prisma) => prisma.$queryRaw<Row[]>(statement))
  }

  /** Commits when `act` resolves, and otherwise undoes what it did. @throws UNAVAILABLE; what `act` throws */
  async transaction<T>(act: (transaction: Prisma.TransactionClient) => Promise<T>): Promise<T> {
    return this.translated((prisma) => prisma.$transaction(act, PATIENT))
  }

  /** Whatever else is asked of Prisma. @throws UNAVAILABLE; what `act` throws */
  async translated<T>(act: (prisma: PrismaClient) => Promise<T>): Promise<T> {
    try {
      return await act(this.#prisma)
    } catch (error) {
      throw translateDatabaseError(error)
    }
  }
}
