// What an owner may have here at once. Pure.

import { AppError } from '../errors.js'

/** Undefined: without limit. */
export interface Quota {
  bytes: number | undefined
  files: number | undefined
  openUploads: number | undefined
}

export const NO_QUOTA: Quota = { bytes: undefined, files: undefined, openUploads: undefined }

/** What an owner has here: uploads that are receiving, finalizing or ready, or were and can be restored. */
export interface Usage {
  /** Of unfinished ones what they announced; of those that announced nothing, what has arrived. */
  bytes: number
  /** Without the parts of concatenations. */
  files: number
  /** Not finished yet. */
  openUploads: number
}

export const NO_USAGE: Usage = { bytes: 0, files: 0, openUploads: 0 }

/** As the trigger on uploads reads it; null when there is no limit at all. */
export function limitsForTrigger({ bytes, files, openUploads }: Quota): string | null {
  if (bytes === undefined && files === undefined && openUploads === undefined) return null
  return JSON.stringify({ bytes, files, open_uploads: openUploads })
}

/** The quota when `bytes` of what an owner has are about to go. */
export function withMoreBytes(quota: Quota, bytes: number): Quota {
  return quota.bytes === undefined ? quota : { ...quota, bytes: quota.bytes + bytes }
}

/** Whether `more` beside what the owner has would be too much. */
export function passes(quota: Quota, used: Usage, more: Usage): boolean {
  return kindsIn(quota, more).some((kind) => used[kind] + more[kind] > (quota[kind] ?? 0))
}

/** What `more` takes of, where that is limited. */
function kindsIn(quota: Quota, more: Usage): (keyof Quota)[] {
  const kinds = ['openUploads', 'files', 'bytes'] as const
  return kinds.filter((kind) => quota[kind] !== undefined && more[kind] > 0)
}

/** Why `more` doesn't fit beside what the owner has. */
export function overQuota(quota: Quota, used: Usage, more: Usage): AppError {
  const limited = kindsIn(quota, more)
  // None, when something has gone since: then any of those that may have been in the way.
  const kind = limited.find((one) => used[one] + more[one] > (quota[one] ?? 0)) ?? limited.at(-1) ?? 'bytes'
  const { name, words, remedy } = KINDS[kind]
  const [limit, has] = [quota[kind] ?? 0, used[kind]]
  return new AppError(
    'QUOTA_EXCEEDED',
    `You have ${has} of at most ${limit} ${words}${kind === 'bytes' ? `, and this takes ${more.bytes} more` : ''}. ${remedy}, ` +
      'or ask the operator for a larger quota. GET /me tells what you have.',
    { details: { quota: name, limit, used: has } },
  )
}

const KINDS = {
  bytes: { name: 'bytes', words: 'bytes here', remedy: 'Delete what PASTA has taken already' },
  files: { name: 'files', words: 'files here', remedy: 'Delete what PASTA has taken already' },
  openUploads: { name: 'open_uploads', words: 'unfinished uploads', remedy: 'Finish or delete one of them' },
} as const
