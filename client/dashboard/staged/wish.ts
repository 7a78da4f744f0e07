// What the list is to show, as it stands in the page's address: `#/?q=lake&state=ready&label=lakes&sort=-size`. Pure.

import type { UploadFilters, UploadState } from '../../api/types.js'
import { NEWEST_FIRST, type Sort } from './order.js'

/** The choices of states, each a word of the page's. */
export const STATE_CHOICES = {
  unfinished: ['receiving', 'finalizing'],
  ready: ['ready'],
  failed: ['failed'],
  ended: ['canceled', 'expired', 'deleted'],
} as const satisfies Record<string, readonly UploadState[]>

export type StateChoice = keyof typeof STATE_CHOICES

export const SORTS = [
  '-created_at',
  'created_at',
  'expires_at',
  '-expires_at',
  'filename',
  '-filename',
  '-size',
  'size',
] as const satisfies readonly Sort[]

export interface Wish {
  /** Empty: no search. */
  readonly text: string
  /** Null: all that lives, and what failed. */
  readonly state: StateChoice | null
  readonly label: string | null
  readonly sort: Sort
}

export const NO_WISH: Wish = { text: '', state: null, label: null, sort: NEWEST_FIRST }

/** What the server takes; longer texts are cut. */
const MOST_TEXT = 200
const MOST_LABEL = 1024

/** @param hash as `location.hash` is. What isn't understood is as if it weren't there. */
export function wishOf(hash: string): Wish {
  const at = hash.indexOf('?')
  const query = new URLSearchParams(at === -1 ? '' : hash.slice(at + 1))
  const state = query.get('state')
  const sort = query.get('sort')
  return {
    text: textOf(query.get('q'), MOST_TEXT),
    state: state !== null && isStateChoice(state) ? state : null,
    label: textOf(query.get('label'), MOST_LABEL) || null,
    sort: SORTS.find((one) => one === sort) ?? NEWEST_FIRST,
  }
}

/** The other way: `#/` when nothing is wished. */
export function hashOf({ text, state, label, sort }: Wish): string {
  const query = new URLSearchParams()
  if (text.trim() !== '') query.set('q', text.trim())
  if (state !== null) query.set('state', state)
  if (label !== null) query.set('label', label)
  if (sort !== NEWEST_FIRST) query.set('sort', sort)
  return query.size === 0 ? '#/' : `#/?${query}`
}

/** As the server takes it. */
export function filtersOf({ text, state, label, sort }: Wish): UploadFilters {
  return {
    ...(text.trim() === '' ? {} : { q: text.trim() }),
    ...(state === null ? {} : { state: [...STATE_CHOICES[state]] }),
    ...(label === null ? {} : { label }),
    sort,
  }
}

/** Whether anything is left out by it. */
export function isNarrowed({ text, state, label }: Wish): boolean {
  return text.trim() !== '' || state !== null || label !== null
}

/** The server refuses lines that no name has: what control characters there are becomes spaces. */
function textOf(text: string | null, most: number): string {
  return [...(text ?? '').toWellFormed().replaceAll(/\p{Cc}/gu, ' ')].slice(0, most).join('').trim()
}

function isStateChoice(text: string): text is StateChoice {
  return Object.hasOwn(STATE_CHOICES, text)
}
