// The requests of the staged list. Each carries the session's key; a 401 hands the key back to the session.

import { type Account, readAccount } from './account.js'
import { explainRefusal } from './problem.js'
import { type ReportPage, readReportPage } from './report.js'
import type { Session } from './session.js'

/** Where uploads live: beside the page, wherever that is mounted. */
export const UPLOADS_URL = new URL('uploads', document.baseURI).href

const ME_URL = new URL('me', document.baseURI).href

/** A request that didn't succeed; `message` is for the user. `status` is null when no answer came. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number | null

  constructor(status: number | null, message: string) {
    super(message)
    this.status = status
  }
}

export interface Api {
  /** One page of the owner's uploads, newest first; `cursor` null is the first. */
  list(cursor: string | null): Promise<ReportPage>
  /** Deletes or cancels an upload. One that is gone already is what was wanted. */
  remove(uploadId: string): Promise<void>
  /** The EML `<physical>` fragment, as text. */
  eml(uploadId: string): Promise<string>
}

/** Whose `key` is: `refused` by the server, or null when it can't be told now. Throws nothing. */
export async function whoseIs(key: string): Promise<Account | 'refused' | null> {
  try {
    const response = await fetch(ME_URL, { headers: bearing(key), cache: 'no-store' })
    if (response.status === 401) return 'refused'
    return response.ok ? readAccount(await response.json(), response.headers.get('Date'), Date.now()) : null
  } catch {
    return null
  }
}

/** All calls throw ApiError. */
export function createApi(session: Session): Api {
  async function send(url: string, init: RequestInit = {}): Promise<Response> {
    const key = await session.waitForKey()
    const headers = { ...init.headers, ...bearing(key) }
    const response = await fetch(url, { ...init, headers, cache: 'no-store' }).catch(() => null)
    if (response === null) throw new ApiError(null, explainRefusal(null, ''))
    if (response.ok) {
      session.prove(key)
      return response
    }
    if (response.status === 401) session.refuse(key)
    const body = await response.text().catch(() => '')
    throw new ApiError(response.status, explainRefusal(response.status, body))
  }

  return {
    async list(cursor) {
      const query = new URLSearchParams({ limit: '50' })
      if (cursor !== null) query.set('cursor', cursor)
      const response = await send(`${UPLOADS_URL}?${query}`, { headers: { Accept: 'application/json' } })
      try {
        return readReportPage(await response.json())
      } catch {
        throw new ApiError(
          response.status,
          'The server gave an answer that this page does not understand. Reload it.',
        )
      }
    },
    async remove(uploadId) {
      try {
        // Without Tus-Resumable: the plain DELETE of the API.
        await send(urlOf(uploadId), { method: 'DELETE' })
      } catch (error) {
        if (error instanceof ApiError && (error.status === 404 || error.status === 410)) return
        throw error
      }
    },
    async eml(uploadId) {
      // Not by the report's eml_url: that is built from PUBLIC_URL, and the key must go nowhere but to this origin.
      const response = await send(`${urlOf(uploadId)}/eml`)
      return response.text()
    },
  }
}

function bearing(key: string): { Authorization: string } {
  return { Authorization: `Bearer ${key}` }
}

function urlOf(uploadId: string): string {
  return `${UPLOADS_URL}/${encodeURIComponent(uploadId)}`
}
