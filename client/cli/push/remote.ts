// What the server has of what was pushed before: asked for once, not file by file.

import type { Antipasto } from '../../api/antipasto.js'
import { Gone, NotFound } from '../../api/errors.js'
import type { Report } from '../../api/types.js'
import type { Place } from './names.js'

export interface RemoteFile {
  id: string
  state: Report['state']
  sizeBytes: number | null
  sha256: string | null
  expiresAt: string | null
}

/** Up to so many files are asked for one by one: a list may be long. */
const ASKED_SINGLY = 3

export class Remote {
  readonly #antipasto: Antipasto
  readonly #place: Place
  readonly #signal: AbortSignal
  #listed: Promise<Map<string, RemoteFile>> | null = null
  #askedFiles = 0

  constructor(antipasto: Antipasto, place: Place, signal: AbortSignal) {
    this.#antipasto = antipasto
    this.#place = place
    this.#signal = signal
  }

  /** The living upload at `url`; null when it has ended, or never was. */
  async find(url: string): Promise<RemoteFile | null> {
    const id = idOf(url)
    this.#askedFiles += 1
    if (this.#askedFiles > ASKED_SINGLY && (this.#place.label !== null || this.#place.packageId !== null)) {
      this.#listed ??= this.#list()
      const listed = (await this.#listed).get(id)
      if (listed !== undefined) return listed
      // It may have been given another label since.
    }
    return this.report(id)
  }

  /** Null when it has ended, or never was. */
  async report(id: string): Promise<RemoteFile | null> {
    try {
      const file = remoteFileOf(await this.#antipasto.uploads.report(id, this.#signal))
      return hasEnded(file.state) ? null : file
    } catch (error) {
      if (error instanceof NotFound || error instanceof Gone) return null
      throw error
    }
  }

  async #list(): Promise<Map<string, RemoteFile>> {
    const { label, packageId } = this.#place
    const filters = packageId !== null ? { package_id: packageId } : { label: label ?? '' }
    const files = new Map<string, RemoteFile>()
    for await (const report of this.#antipasto.uploads.list(filters, this.#signal)) {
      const file = remoteFileOf(report)
      if (!hasEnded(file.state)) files.set(file.id, file)
    }
    return files
  }
}

export function remoteFileOf({ id, state, size, checksums, expires_at }: Report): RemoteFile {
  return { id, state, sizeBytes: size, sha256: checksums?.sha256 ?? null, expiresAt: expires_at }
}

function hasEnded(state: Report['state']): boolean {
  return state === 'failed' || state === 'canceled' || state === 'expired' || state === 'deleted'
}

/** The id of an upload out of its URL. */
export function idOf(url: string): string {
  return new URL(url).pathname.split('/').at(-1) ?? ''
}
