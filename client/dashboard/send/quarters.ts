// Which quarter of the way is worth telling. Pure.

export type Quarter = 25 | 50 | 75

const QUARTERS = [75, 50, 25] as const

/**
 * The last quarter that lies between two fractions of the way, 0 to 1; null when none does.
 *
 * The end isn't one of them: that all has arrived is told by itself.
 */
export function quarterPassed(before: number, now: number): Quarter | null {
  return QUARTERS.find((quarter) => before * 100 < quarter && now * 100 >= quarter) ?? null
}
