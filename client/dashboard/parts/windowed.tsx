// A long list that is scrolled with the page: only the rows near the view are in the DOM, each at its place.
//
// It is a list, not a grid or a feed: its rows are read one after the other, by `aria-posinset` their places are known though
// most of them aren't there, and screen readers know lists best. The keys of a feed move between the rows as well.

import { useSignal } from '@preact/signals'
import type { ComponentChildren, VNode } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import { type Reading, rangeBetween, rowAt, shiftFor, topsOf } from './window.js'
import './windowed.css'

export interface WindowedRow {
  readonly key: string
  /** Fixed: a row doesn't grow with what is in it. */
  readonly heightPx: number
}

interface WindowedProps<Row extends WindowedRow> {
  rows: readonly Row[]
  label: string
  /** False: more rows may come. */
  isWhole: boolean
  /** The same function as long as it renders the same. What gets the focus of its row has the attribute `data-row-focus`. */
  render: (row: Row) => ComponentChildren
  /** The rows that are in view, from `first` up to but not including `end`. */
  onView?: (first: number, end: number) => void
  /** Rows came in above what is read, `key` first: where the view is, nothing has moved. */
  onCameAbove?: (keys: readonly string[]) => void
  /** The whole list has gone, and the focus with it. */
  onFocusLost?: () => void
  /** The end is near, or there. */
  onNearEnd?: () => void
}

/** Rows that are ready before they are in view, so that fast scrolling shows no gaps. */
const SPARE_PX = 600
const NEAR_END_PX = 2_400
const MOST_READINGS = 12

export function Windowed<Row extends WindowedRow>(props: WindowedProps<Row>) {
  const { rows, label, isWhole, render } = props
  const list = useRef<HTMLUListElement>(null)
  const tops = useMemo(() => topsOf(rows), [rows])
  const range = useSignal({ first: 0, end: 0 })
  const focused = useSignal<string | null>(null)
  const wantsFocus = useRef<string | null>(null)
  const readings = useRef<readonly Reading[]>([])
  const before = useRef(rows)
  const latest = useRef({ props, tops })
  latest.current = { props, tops }

  const look = useMemo(
    () => () => {
      const element = list.current
      // Hidden with its view.
      if (element === null || element.offsetParent === null) return
      const { props: now, tops: at } = latest.current
      const fromPx = -element.getBoundingClientRect().top
      const toPx = fromPx + innerHeight
      const next = rangeBetween(at, fromPx - SPARE_PX, toPx + SPARE_PX)
      const { first, end } = range.peek()
      if (next.first !== first || next.end !== end) range.value = next
      readings.current = readingsAt(now.rows, at, fromPx, toPx)
      const seen = rangeBetween(at, fromPx, toPx)
      now.onView?.(seen.first, seen.end)
      if (!now.isWhole && toPx + NEAR_END_PX > (at.at(-1) ?? 0)) now.onNearEnd?.()
    },
    [range],
  )

  useLayoutEffect(() => {
    const element = list.current
    if (element === null || element.offsetParent === null) return
    if (before.current !== rows) {
      const fromPx = -element.getBoundingClientRect().top
      const places = new Map(rows.map(({ key }, index) => [key, index]))
      // Only what is read in the middle is kept in place: at the top, what is new is to be seen.
      if (fromPx > 0) {
        const shiftPx = shiftFor(readings.current, tops, fromPx, (key) => places.get(key) ?? -1)
        if (shiftPx !== 0) scrollBy({ top: shiftPx, behavior: 'instant' })
        tellOfAbove(latest.current.props, before.current, rows, readings.current, places)
      }
      keepFocus(before.current, places)
      before.current = rows
    }
    look()
  }, [rows])

  useEffect(() => {
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', look)
    // What is above the list may grow, and the list may come into view with its view.
    const observer = new ResizeObserver(look)
    observer.observe(document.body)
    return () => {
      removeEventListener('scroll', look)
      removeEventListener('resize', look)
      observer.disconnect()
    }
  }, [look])

  useEffect(
    () => () => {
      if (focused.peek() !== null) latest.current.props.onFocusLost?.()
    },
    [focused],
  )

  /** Where the focus goes: at once when the row is there, else as soon as it is. */
  useLayoutEffect(() => {
    if (wantsFocus.current !== null && focusRow(list.current, wantsFocus.current)) wantsFocus.current = null
  })

  function goTo(index: number): void {
    const element = list.current
    const row = rows[index]
    if (element === null || row === undefined) return
    const top = element.getBoundingClientRect().top + (tops[index] ?? 0)
    const bottom = top + row.heightPx
    if (top < 0) scrollBy({ top, behavior: 'instant' })
    else if (bottom > innerHeight) scrollBy({ top: bottom - innerHeight, behavior: 'instant' })
    wantsFocus.current = row.key
    look()
    if (focusRow(element, row.key)) wantsFocus.current = null
  }

  /** What had the focus has gone: the row that stands in its place gets it. */
  function keepFocus(old: readonly Row[], places: ReadonlyMap<string, number>): void {
    const key = focused.peek()
    if (key === null || places.has(key)) return
    const place = old.findIndex((row) => row.key === key)
    focused.value = null
    if (rows.length === 0) return
    wantsFocus.current = rows[Math.min(Math.max(place, 0), rows.length - 1)]?.key ?? null
  }

  /** When somebody has left the row; not when the row has left, nor when the whole window lost the focus. */
  function forgetFocus(left: EventTarget | null): void {
    const isThere = left instanceof Element && left.isConnected
    if (isThere && list.current?.contains(document.activeElement) !== true) focused.value = null
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || focused.peek() === null) return
    if (event.target instanceof HTMLElement && event.target.closest('input, select, textarea, dialog')) return
    const at = rows.findIndex(({ key }) => key === focused.peek())
    const next = placeAfterKey(event.key, at, tops)
    if (next === null) return
    event.preventDefault()
    goTo(Math.min(Math.max(next, 0), rows.length - 1))
  }

  const { first, end } = range.value
  const shown = rows.slice(first, end).map((row, index) => ({ row, index: first + index }))
  // The row with the focus stays, wherever it is: otherwise the focus would be lost.
  const at = focused.value === null ? -1 : rows.findIndex(({ key }) => key === focused.value)
  const holder = rows[at]
  if (holder !== undefined && at < first) shown.unshift({ row: holder, index: at })
  if (holder !== undefined && at >= end) shown.push({ row: holder, index: at })

  // Rows that stay are not even looked at again while one scrolls: Preact passes over a vnode that it knows.
  const setSize = isWhole ? rows.length : -1
  const kept = useRef<KeptItems<Row>>({ of: [], items: new Map() })
  const of = [render, setSize, tops]
  const known = of.every((one, at) => one === kept.current.of[at]) ? kept.current.items : undefined
  const items = new Map(shown.map(({ row, index }) => [row, known?.get(row) ?? itemOf(row, index)]))
  kept.current = { of, items }

  function itemOf(row: Row, index: number): VNode {
    return (
      <li
        key={row.key}
        class="windowed-row"
        data-key={row.key}
        aria-posinset={index + 1}
        aria-setsize={setSize}
        style={{ top: `${tops[index] ?? 0}px`, height: `${row.heightPx}px` }}
      >
        {render(row)}
      </li>
    )
  }

  return (
    <ul
      ref={list}
      class="windowed"
      aria-label={label}
      style={{ height: `${tops.at(-1) ?? 0}px` }}
      onKeyDown={onKeyDown}
      onFocusIn={({ target }) => {
        focused.value = keyOf(target)
      }}
      onFocusOut={({ target, relatedTarget }) => {
        if (relatedTarget !== null) focused.value = keyOf(relatedTarget)
        else setTimeout(() => forgetFocus(target))
      }}
    >
      {[...items.values()]}
    </ul>
  )
}

/** The rows as they were rendered last, and of what. */
interface KeptItems<Row> {
  of: readonly unknown[]
  items: ReadonlyMap<Row, VNode>
}

function readingsAt(
  rows: readonly WindowedRow[],
  tops: Float64Array,
  fromPx: number,
  toPx: number,
): Reading[] {
  if (fromPx <= 0) return []
  const { first, end } = rangeBetween(tops, fromPx, toPx)
  return rows
    .slice(first, Math.min(end, first + MOST_READINGS))
    .map(({ key }, index) => ({ key, belowPx: (tops[first + index] ?? 0) - fromPx }))
}

function tellOfAbove(
  { onCameAbove }: Pick<WindowedProps<WindowedRow>, 'onCameAbove'>,
  old: readonly WindowedRow[],
  rows: readonly WindowedRow[],
  read: readonly Reading[],
  places: ReadonlyMap<string, number>,
): void {
  const anchor = read.find(({ key }) => places.has(key))
  if (onCameAbove === undefined || anchor === undefined) return
  const known = new Set(old.map(({ key }) => key))
  const above = rows.slice(0, places.get(anchor.key)).filter(({ key }) => !known.has(key))
  if (above.length > 0) onCameAbove(above.map(({ key }) => key))
}

function keyOf(target: EventTarget | null): string | null {
  const row = target instanceof Element ? target.closest<HTMLElement>('.windowed-row') : null
  return row?.dataset.key ?? null
}

function focusRow(list: HTMLElement | null, key: string): boolean {
  const row = list?.querySelector(`.windowed-row[data-key="${CSS.escape(key)}"]`)
  const target = row?.querySelector<HTMLElement>('[data-row-focus]')
  target?.focus({ preventScroll: true })
  return target !== undefined && target !== null
}

/** Null: not a key of ours. */
function placeAfterKey(key: string, at: number, tops: Float64Array): number | null {
  const page = Math.max(1, rowAt(tops, (tops[at] ?? 0) + innerHeight * 0.8) - at)
  switch (key) {
    case 'ArrowDown':
      return at + 1
    case 'ArrowUp':
      return at - 1
    case 'PageDown':
      return at + page
    case 'PageUp':
      return Math.max(0, rowAt(tops, (tops[at] ?? 0) - innerHeight * 0.8))
    case 'Home':
      return 0
    case 'End':
      return tops.length - 2
    default:
      return null
  }
}
