// What the answers of a tus server mean: ours, and any other that speaks the protocol. Pure.

import { ApiError, apiError, ForeignAnswer } from './errors.js'
import { errorOf, type Refusal } from './problem.js'

const QUOTED_CHARACTERS = 200

/**
 * The error of an answer that isn't what was asked for.
 *
 * Other servers say theirs in plain text, and are known by their headers: `Tus-Resumable` must be in each of their answers.
 * A 404 or 410 without any is a proxy's whose server is just starting, and no word about the upload.
 */
export function tusErrorOf(answer: Refusal): ApiError | ForeignAnswer {
  const isTusServers = answer.header('tus-resumable') !== null || answer.header('x-request-id') !== null
  if (!isTusServers && (answer.status === 404 || answer.status === 410)) {
    return new ForeignAnswer(goneWords(answer.status), answer.status)
  }
  const location = answer.header('location')
  if (answer.status >= 300 && answer.status < 400 && location !== null) {
    return new ForeignAnswer(leadsElsewhereWords(answer.status, location), answer.status)
  }
  const error = errorOf(answer)
  if (!isTusServers || !(error instanceof ForeignAnswer) || answer.status < 400) return error
  const byStatus = errorOf({ ...answer, body: '' })
  const said = answer.body.trim().slice(0, QUOTED_CHARACTERS)
  const code = byStatus instanceof ApiError ? byStatus.code : (OTHER_CODES[answer.status] ?? 'REFUSED')
  const detail =
    said === '' ? `The server refuses, with status ${answer.status}.` : `The server says: ${said}`
  return apiError(code, detail, {
    status: answer.status,
    retryAfterSeconds: byStatus instanceof ApiError ? byStatus.retryAfterSeconds : undefined,
  })
}

/** Of other servers' plain answers; ours names its code itself. */
const OTHER_CODES: Partial<Record<number, string>> = {
  412: 'UNSUPPORTED_VERSION',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  460: 'CHECKSUM_MISMATCH',
}

function goneWords(status: number): string {
  return `Something before the server answered ${status}. Check the server's URL, and whether the server runs.`
}

function leadsElsewhereWords(status: number, location: string): string {
  return `The server's URL leads elsewhere: to ${location} (status ${status}). If that is the server, give its URL instead; if this network wants a sign-in first, sign in there.`
}

/**
 * Where the created upload is.
 *
 * Our own server hands out URLs that begin with its PUBLIC_URL. Where it is reached by another name, as through a tunnel or by
 * its address, the upload is there, too: by its id.
 *
 * @param isOwnServer whether `endpoint` is that of the server that the connection is to
 */
export function uploadUrlOf(location: string, endpoint: string, isOwnServer: boolean): string {
  const url = new URL(location, endpoint)
  if (!isOwnServer || url.origin === new URL(endpoint).origin) return url.href
  return `${endpoint}/${url.pathname.split('/').at(-1) ?? ''}`
}

/** tus 1.0.0: keys with their values in base64, joined by commas. */
export function encodeMetadata(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([name, value]) => (value === '' ? name : `${name} ${base64(value)}`))
    .join(',')
}

function base64(text: string): string {
  // btoa takes bytes as characters.
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

/** A header's whole number of bytes; null when it has none. */
export function bytesOf(header: string | null | undefined): number | null {
  if (header === null || header === undefined || !/^\d{1,16}$/.test(header)) return null
  return Number(header)
}
