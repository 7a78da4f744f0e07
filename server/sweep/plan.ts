// What the sweep does with what it finds. Pure.

import type { StoredItem } from '../storage/store.js'
import { isDue, type Upload } from '../uploads/upload.js'

export type UploadAction = 'expire' | 'finalize' | 'cancel' | 'purge' | 'forget'

/** What is left in the store this long without a record was left by a crash, not by a request that still runs. */
export const STRAY_AGE_SECONDS = 86_400

/** What to do with an upload that is due: waiting to be finished, past its end, not restored in time, or an old tombstone. */
export function planUpload(upload: Upload): UploadAction {
  const { state } = upload
  if (state === 'finalizing' || (state === 'receiving' && isDue(upload))) return 'finalize'
  // The one request that could bring its bytes is over: its server died.
  if (state === 'receiving' && upload.finish === 'once' && !upload.isHeld) return 'cancel'
  if (state === 'receiving' || state === 'ready') return 'expire'
  return upload.restoreState === null ? 'forget' : 'purge'
}

/** True when `item` is old enough to be a stray, should no record know it. */
export function isOldEnough(item: StoredItem, now: Date, ageSeconds: number): boolean {
  return (now.getTime() - item.modifiedAt.getTime()) / 1000 > ageSeconds
}
