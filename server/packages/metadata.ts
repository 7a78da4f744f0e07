// What a producer may write on a package in words of its own. Pure.

/** Any JSON value that is the same in JSON, CBOR and Postgres. */
export type MetadataValue =
  | null
  | boolean
  | number
  | string
  | MetadataValue[]
  | { [key: string]: MetadataValue }

export type Metadata = { [key: string]: MetadataValue }

export const MOST_METADATA_BYTES = 64 * 1024
export const MOST_METADATA_DEPTH = 8
export const MOST_KEY_CHARACTERS = 200

/**
 * Why `value` can't be a package's metadata, in words for whoever sent it; null when it can.
 *
 * Walks without recursion: what comes may be nested deeper than the stack is.
 */
export function metadataProblem(value: unknown): string | null {
  if (!isPlainObject(value)) return 'must be a JSON object'
  const waiting: { value: unknown; depth: number }[] = [{ value, depth: 1 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const problem = valueProblem(next.value)
    if (problem !== null) return problem
    if (typeof next.value !== 'object' || next.value === null) continue
    if (next.depth > MOST_METADATA_DEPTH) return `must not be nested deeper than ${MOST_METADATA_DEPTH}`
    const depth = next.depth + 1
    for (const inner of Object.values(next.value)) waiting.push({ value: inner, depth })
  }
  const sizeBytes = Buffer.byteLength(JSON.stringify(value))
  return sizeBytes <= MOST_METADATA_BYTES
    ? null
    : `must not have more than ${MOST_METADATA_BYTES} bytes of JSON`
}

/** What a single value says, without what is in it. */
function valueProblem(value: unknown): string | null {
  if (typeof value === 'string') return textProblem(value)
  if (typeof value === 'number') return numberProblem(value)
  if (!isPlainObject(value)) return null
  const names = new Set<string>()
  for (const key of Object.keys(value)) {
    const problem = keyProblem(key)
    if (problem !== null) return problem
    const name = key.normalize('NFC')
    if (names.has(name))
      return `has the key ${JSON.stringify(shortened(key))} twice, in two spellings of Unicode`
    names.add(name)
  }
  return null
}

/** Why nothing can be filed under `key`; null when something can. */
export function keyProblem(key: string): string | null {
  if (key.length > MOST_KEY_CHARACTERS)
    return `must not have keys of more than ${MOST_KEY_CHARACTERS} characters`
  // In JavaScript this name means something else, and readers of the manifest would lose it.
  if (key === '__proto__') return 'must not have the key "__proto__"'
  return textProblem(key)
}

/** Postgres holds no NUL, and nothing that isn't Unicode; CBOR neither. */
function textProblem(text: string): string | null {
  if (text.includes('\0')) return 'must not have the character U+0000'
  return text.isWellFormed() ? null : 'must be valid Unicode: a surrogate stands alone'
}

/** A whole number past 2^53 has lost its last digits before we see it. */
function numberProblem(value: number): string | null {
  if (!Number.isFinite(value)) return 'must not have numbers that are too large for a double'
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return null
  return 'must not have whole numbers beyond 2^53 - 1: send them as text'
}

/** The one spelling of metadata that `metadataProblem` finds nothing wrong with: text in NFC, and no -0, which JSON loses. */
export function normalizedMetadata(value: unknown): Metadata {
  return normalized(value) as Metadata // An object goes in, so one comes out.
}

function normalized(value: unknown): MetadataValue {
  if (typeof value === 'string') return value.normalize('NFC')
  if (typeof value === 'number') return value === 0 ? 0 : value
  if (typeof value === 'boolean' || value === null) return value
  if (Array.isArray(value)) return value.map(normalized)
  const entries = Object.entries(value as object).map(([key, inner]) => [
    key.normalize('NFC'),
    normalized(inner),
  ])
  return Object.fromEntries(entries)
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40).toWellFormed()}…` : text
}
