// A file's deletion while its bytes are still under way, by whoever, and perhaps its undoing.

import type { Report } from '../../../server/uploads/report.js'
import { nameOf, type Sent } from '../oracle.js'
import { type Client, GivenUp } from './client.js'
import { type Answer, type Connection, codeOf, jsonOf } from './connection.js'
import type { Fate } from './file-plan.js'

/** Longer than any fault lasts: what is to be undone must still be there after it. */
const UNDO_SECONDS = 600
/** Nobody restores it: it is purged while the run still goes on, or right after. */
const LEFT_SECONDS = 3
const MOST_TRIES = 200

export class Doom {
  readonly #client: Client
  readonly #sent: Sent
  readonly #fate: Fate
  #running: Promise<void> | null = null

  constructor(client: Client, sent: Sent) {
    this.#client = client
    this.#sent = sent
    this.#fate = sent.plan.fate
  }

  /** True when it has begun, and perhaps is through. */
  get hasBegun(): boolean {
    return this.#running !== null
  }

  /** To be told how far the sending is: at its time the deletion begins, beside it. */
  passed(offset: number): void {
    const fate = this.#fate
    if (this.#running !== null || fate.kind === 'kept' || fate.atShare >= 1) return
    if (offset >= fate.atShare * this.#sent.plan.sizeBytes) this.#begin(fate)
  }

  /** Nothing is under way any more. Begins what was left for the end. */
  async complete(): Promise<void> {
    if (this.#running === null && this.#fate.kind !== 'kept') this.#begin(this.#fate)
    await this.settled()
  }

  /** As far as it has begun, it is through. @throws RunOver, GivenUp */
  async settled(): Promise<void> {
    await this.#running
  }

  #begin(fate: Exclude<Fate, { kind: 'kept' }>): void {
    const { connection, other } = this.#client
    const running = this.#act(fate, fate.isByAnother ? other : connection)
    // Whoever waits for it sees its error.
    running.catch(() => {})
    this.#running = running
  }

  async #act(fate: Exclude<Fate, { kind: 'kept' }>, connection: Connection): Promise<void> {
    const { oracle } = this.#client
    oracle.count(`${fate.kind} ${fate.atShare < 1 ? 'while it came' : 'when it was ready'}`)
    if (fate.kind === 'deleted') return deleteForGood(this.#client, connection, this.#sent)
    await this.#deleteForNow(connection, fate.kind === 'undone' ? UNDO_SECONDS : LEFT_SECONDS)
    if (this.#sent.deletion !== 'restorable' || fate.kind === 'left') return
    await connection.rest(200)
    await this.#restore(connection)
  }

  async #deleteForNow(connection: Connection, undoSeconds: number): Promise<void> {
    const { id } = this.#sent
    this.#sent.deletion = 'asked'
    for (let tried = 0; tried < MOST_TRIES; tried += 1) {
      const path = `/uploads/${id}?undo_seconds=${undoSeconds}`
      const answer = await connection.persist(() => ({ method: 'DELETE', path }))
      if (answer.status === 200) {
        const { restorable_until: until } = jsonOf<Report>(answer)
        this.#sent.deletion = until === null ? 'ended' : 'restorable'
        return
      }
      // Asked again after an answer that was lost, its time may be over.
      if (answer.status === 410 && (undoSeconds === LEFT_SECONDS || this.#sent.failure !== null)) {
        this.#sent.deletion = 'ended'
        return
      }
      // It is being finished at this moment.
      if (codeOf(answer) !== 'CONFLICT') return this.#refused('DELETE with undo', answer)
      await connection.pause(tried)
    }
    giveUp(this.#client, this.#sent, `was being finished for ${MOST_TRIES} deletions`)
  }

  async #restore(connection: Connection): Promise<void> {
    const { id } = this.#sent
    const answer = await connection.persist(() => ({ method: 'POST', path: `/uploads/${id}/restore` }))
    if (answer.status !== 200) return this.#refused('restore', answer)
    this.#sent.deletion = 'none'
    this.#client.oracle.count('restored')
  }

  #refused(what: string, answer: Answer): never {
    return giveUp(this.#client, this.#sent, `${what} answered ${answer.status} ${answer.body}`)
  }
}

/** @throws RunOver, GivenUp */
export async function deleteForGood(
  client: Pick<Client, 'oracle'>,
  connection: Connection,
  sent: Sent,
): Promise<void> {
  sent.deletion = 'asked'
  const answer = await connection.persist(() => ({ method: 'DELETE', path: `/uploads/${sent.id}` }))
  // 410: its answer was lost, and it came again.
  if (answer.status === 204 || answer.status === 410) sent.deletion = 'ended'
  else giveUp(client, sent, `DELETE answered ${answer.status} ${answer.body}`)
}

function giveUp({ oracle }: Pick<Client, 'oracle'>, sent: Sent, why: string): never {
  oracle.violate('deletion refused', `${nameOf(sent)}: ${why}`)
  throw new GivenUp()
}
