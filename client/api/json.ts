// Bodies both ways, in the types that are made of openapi.json.

import type { Ask, Connection } from './connection.js'
import { ForeignAnswer, Gone, NotFound } from './errors.js'
import { foreignWords } from './problem.js'

/** What a route answers, of the type that openapi.json gives it. */
export async function askJson<Answer>(
  connection: Connection,
  target: string,
  ask: Ask = {},
): Promise<Answer> {
  const { bytes, status } = await connection.read(target, { ...ask, expects: 'json' })
  const text = new TextDecoder().decode(bytes)
  try {
    return JSON.parse(text) as Answer // openapi.json says so, from which the types are made
  } catch {
    throw new ForeignAnswer(foreignWords(status, text), status)
  }
}

export async function askText(connection: Connection, target: string, ask: Ask = {}): Promise<string> {
  const { bytes } = await connection.read(target, ask)
  return new TextDecoder().decode(bytes)
}

export async function askBytes(
  connection: Connection,
  target: string,
  ask: Ask = {},
): Promise<Uint8Array<ArrayBuffer>> {
  return (await connection.read(target, ask)).bytes
}

/**
 * For what ends something: true when it was there.
 *
 * A repeated request may find gone what the first one ended, so that isn't an error.
 */
export async function askNothing(connection: Connection, target: string, ask: Ask): Promise<boolean> {
  try {
    await connection.read(target, { ...ask, expects: 'nothing' })
    return true
  } catch (error) {
    if (error instanceof Gone || error instanceof NotFound) return false
    throw error
  }
}

/** A request with `value` as its body. */
export function jsonBody(value: unknown, mediaType = 'application/json'): Pick<Ask, 'headers' | 'body'> {
  return { headers: { 'content-type': mediaType }, body: JSON.stringify(value) }
}

/** A query of what is there; lists are joined with commas, as the API reads them. */
export function query(parameters: Record<string, string | number | readonly string[] | undefined>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) search.set(name, Array.isArray(value) ? value.join(',') : String(value))
  }
  return search.size === 0 ? '' : `?${search}`
}
