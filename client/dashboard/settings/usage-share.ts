// How much of a limit is used. Pure.

export type Fill = 'free' | 'nearly' | 'full'

/** From 90% on it is worth a word; null: there is no limit. */
export function fillOf(used: number, limit: number | null): Fill | null {
  if (limit === null) return null
  if (used >= limit) return 'full'
  return used >= 0.9 * limit ? 'nearly' : 'free'
}
