// A client's packages: each takes in some files, and is finalized when the last of them has been sent.

import type { Report } from '../../../server/uploads/report.js'
import type { Client } from './client.js'
import { jsonOf } from './connection.js'
import { FILES_PER_PACKAGE } from './file-plan.js'

/** Keeps in mind which package the last labelled file went into. */
export class Packages {
  readonly #client: Client
  #packageId: string | null = null

  constructor(client: Client) {
    this.#client = client
  }

  joined({ state, package_id: packageId }: Pick<Report, 'state' | 'package_id'>): void {
    if (state === 'ready' && packageId !== null) this.#packageId = packageId
  }

  /** After the file `nth`, counted from 0. A package with a file that failed stays open, as it should. @throws RunOver */
  async sent(nth: number): Promise<void> {
    if ((nth + 1) % FILES_PER_PACKAGE !== 0 || this.#packageId === null) return
    const id = this.#packageId
    this.#packageId = null
    const { connection, oracle, place } = this.#client
    const answer = await connection.persist(() => ({ method: 'POST', path: `/packages/${id}/finalize` }))
    if (answer.status === 200) {
      const { manifest_sha256: manifestSha256 } = jsonOf<{ manifest_sha256: string }>(answer)
      oracle.finalized.push({ place, id, manifestSha256 })
      oracle.count('package finalized')
    } else if (answer.status === 409) oracle.count('package with unready files left open')
    else oracle.violate('unexpected refusal', `finalizing package ${id}: ${answer.status} ${answer.body}`)
  }
}
