// How high the rows of the list are. They are fixed, so that ten thousand of them need not be measured; staged.css has the
// same numbers. Pure.

export type RowKind = 'file' | 'group' | 'note'

export interface RowRoom {
  kind: RowKind
  /** One that failed or stopped says why. */
  hasReason?: boolean
  /** What was asked for here was refused. */
  hasTrouble?: boolean
}

const WIDE = { file: 60, group: 64, note: 72, reason: 46, trouble: 112 }
const NARROW = { file: 92, group: 84, note: 96, reason: 68, trouble: 150 }

/** The breakpoint of staged.css. */
export const NARROW_QUERY = '(max-width: 759px)'

export function rowHeightPx(
  { kind, hasReason = false, hasTrouble = false }: RowRoom,
  isNarrow: boolean,
): number {
  const room = isNarrow ? NARROW : WIDE
  return room[kind] + (hasReason ? room.reason : 0) + (hasTrouble ? room.trouble : 0)
}
