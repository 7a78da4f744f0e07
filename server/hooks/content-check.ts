// What may veto an upload before it is ready, and the rules around it. Pure: who asks whom is command.ts and service.ts.

import type { Digests } from '../digests/finish.js'
import { AppError } from '../errors.js'
import type { Upload } from '../uploads/upload.js'

/** What a check is told of an upload beside its bytes. Nothing else leaves the server. */
export interface ContentFacts {
  id: string
  owner: string
  filename: string | null
  contentType: string | null
  label: string | null
  packageId: string | null
  sizeBytes: number
  digests: Digests
}

/** `words`: why not, for the uploader; '' when nothing was said. */
export type Verdict = { isAccepted: true } | { isAccepted: false; words: string }

/** The bytes from the first one on, at the reader's pace. */
export type ReadContent = () => AsyncIterable<Uint8Array>

export interface ContentCheck {
  /**
   * Asks whether an upload may become ready. A check that needn't read everything may answer before.
   *
   * When it settles, nothing of it runs any more.
   *
   * @throws what `read` throws; the reason of `signal`; UNAVAILABLE when there was no answer, or none that says yes or no
   */
  check(facts: ContentFacts, read: ReadContent, signal: AbortSignal): Promise<Verdict>
}

export function factsOf(upload: Upload, digests: Digests): ContentFacts {
  const { id, owner, filename, contentType, label, packageId } = upload
  return {
    id,
    owner,
    filename,
    contentType,
    label,
    packageId,
    sizeBytes: Number(upload.sizeBytes),
    digests: { md5: digests.md5, sha1: digests.sha1, sha256: digests.sha256 },
  }
}

/** Why an upload failed that a check refused. */
export function contentRefused(words: string): AppError {
  const said = words === '' ? '.' : `: ${words}${/[.!?…]$/u.test(words) ? '' : '.'}`
  return new AppError(
    'CONTENT_REFUSED',
    `The content check refused this file${said} Its bytes are not kept. Mend the file and upload it again, or ask the operator.`,
  )
}

const FIRST_RETRY_MS = 5000
const MOST_RETRY_MS = 5 * 60_000

/** How long a check that gave no answer is left in peace. @param failures in a row, at least 1 */
export function retryDelayMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MOST_RETRY_MS)
}
