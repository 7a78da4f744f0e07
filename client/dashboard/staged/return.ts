// Back from an upload's own view, the list is where it was left, with the focus on that upload's row.

import { place } from '../place.js'

let leftAtPx = 0
let returnsToPx = 0
let leftRow: string | null = null

addEventListener(
  'scroll',
  () => {
    // Hidden, the list gives up its height, and the page scrolls up by itself.
    if (place.peek().view === 'files') leftAtPx = scrollY
  },
  { passive: true },
)

// Going back, the browser scrolls by itself before the list has its height again: that is not where it was left.
place.subscribe(({ view }) => {
  if (view === 'files') returnsToPx = leftAtPx
})

/** The link to an upload or a package of the list was followed. */
export function leaveFrom(rowKey: string): void {
  leftRow = rowKey
}

/** Scrolls to where the list was left. Answers whether it was left at a row, which gets the focus as soon as it is there. */
export function returnToRow(): boolean {
  scrollTo({ top: returnsToPx, behavior: 'instant' })
  const key = leftRow
  leftRow = null
  if (key !== null) focusWhenThere(key, MOST_FRAMES)
  return key !== null
}

/** The list is drawn anew when it is shown again. */
const MOST_FRAMES = 10

function focusWhenThere(key: string, framesLeft: number): void {
  const row = document.querySelector(`.windowed-row[data-key="${CSS.escape(key)}"]`)
  const target = row?.querySelector<HTMLElement>('[data-row-focus]')
  if (target !== null && target !== undefined) target.focus({ preventScroll: true })
  else if (framesLeft > 0) requestAnimationFrame(() => focusWhenThere(key, framesLeft - 1))
}
