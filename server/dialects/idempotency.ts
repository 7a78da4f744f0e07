// Requests that may come twice, since their answer was lost: with the same Idempotency-Key they make one upload. What the second
// one is answered is its dialect's to say.

import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { isAppError } from '../errors.js'
import { parseInput } from '../http/input.js'
import type { Idempotency } from '../uploads/insertion.js'
import type { Intake } from '../uploads/intake.js'
import { createSessionHeaders } from '../uploads/operations.js'
import type { Upload } from '../uploads/upload.js'

/** What was made now, or what had been made before. */
export type Once<T> = { isNew: true; made: T } | { isNew: false; before: Upload }

/**
 * The key of a request, and the digest of what it asks for, the same however that is written.
 *
 * @param asked all that makes it another request; called only when there is a key
 * @returns null without a key: asked twice, it makes two
 * @throws INVALID_INPUT for what can't be a key
 */
export function idempotencyOf(
  headers: Readonly<Record<string, unknown>>,
  asked: () => object,
): Idempotency | null {
  if (headers['idempotency-key'] === undefined) return null
  const key = parseInput(createSessionHeaders, headers, 'headers')['idempotency-key']
  if (key === undefined) return null
  const digest = createHash('sha256')
    .update(canonicalize(asked()) ?? '')
    .digest('hex')
  return { key, digest }
}

/** Refusals that may be the doing of the same request, come first: it has taken the key, the path, or the room. */
const DOING_OF_A_TWIN = [
  ...(['CONFLICT', 'QUOTA_EXCEEDED', 'INSUFFICIENT_STORAGE'] as const),
  // Or its package has ended since.
  ...(['PACKAGE_FINALIZED', 'GONE', 'NOT_FOUND', 'FORBIDDEN'] as const),
] as const

/**
 * Makes an upload, unless the same request has made it before or does so at this moment.
 *
 * @param options.isLikelyNew saves the look before: for what is cheaply made, and leaves nothing when it is refused
 * @param make records the upload under the key
 * @throws as `make`; CONFLICT when the key was used for something else
 */
export async function makeOnce<T>(
  intake: Pick<Intake, 'begunBefore'>,
  options: { owner: string; idempotency: Idempotency | null; isLikelyNew: boolean },
  make: () => Promise<T>,
): Promise<Once<T>> {
  const { owner, idempotency, isLikelyNew } = options
  if (idempotency === null) return { isNew: true, made: await make() }
  const before = isLikelyNew ? null : await intake.begunBefore(owner, idempotency)
  if (before !== null) return { isNew: false, before }
  try {
    return { isNew: true, made: await make() }
  } catch (error) {
    const twin = isAppError(error, ...DOING_OF_A_TWIN) ? await intake.begunBefore(owner, idempotency) : null
    if (twin === null) throw error
    return { isNew: false, before: twin }
  }
}
