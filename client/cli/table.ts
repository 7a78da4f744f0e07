// Columns for people. Pure: the rows and how wide the terminal is come in, lines go out.

import { displayWidth, padded, truncated } from './display-width.js'

export interface TableLayout {
  /** How wide the lines may be; the last column gives way. Infinity in a pipe. */
  columns: number
  /** Columns that hold numbers, from 0. */
  right?: readonly number[]
  /** At least so wide: for tables that are written piece by piece. */
  widths?: readonly number[]
  /** What a narrow terminal does without, in this order. */
  expendable?: readonly number[]
}

const GAP = '  '
const LEAST_LAST_COLUMN = 12

/** One line a row. Cells must be plain text. The last column is cut in its middle when it doesn't fit: names differ at their ends. */
export function tableLines(rows: readonly (readonly string[])[], layout: TableLayout): string[] {
  const widths = columnWidths(rows, layout.widths)
  const dropped = droppedColumns(widths, layout)
  return rows.map((row) => {
    const last = row.length - 1
    const start = row
      .slice(0, last)
      .map((cell, at) =>
        dropped.has(at)
          ? ''
          : padded(cell, widths[at] ?? 0, layout.right?.includes(at) ? 'right' : 'left') + GAP,
      )
      .join('')
    const room = Math.max(LEAST_LAST_COLUMN, layout.columns - displayWidth(start))
    const end = row[last] ?? ''
    return (start + (Number.isFinite(room) ? truncated(end, room, 'middle') : end)).trimEnd()
  })
}

/** As many of the expendable ones as must go for the last column to have some room. */
function droppedColumns(
  widths: readonly number[],
  { columns, expendable = [] }: TableLayout,
): ReadonlySet<number> {
  const dropped = new Set<number>()
  const taken = () =>
    widths.slice(0, -1).reduce((sum, width, at) => (dropped.has(at) ? sum : sum + width + GAP.length), 0)
  for (const at of expendable) {
    if (taken() + LEAST_LAST_COLUMN <= columns) break
    dropped.add(at)
  }
  return dropped
}

function columnWidths(rows: readonly (readonly string[])[], least: readonly number[] = []): number[] {
  const widths = [...least]
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, displayWidth(cell))
    })
  }
  return widths
}
