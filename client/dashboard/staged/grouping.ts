// One list or by package: chosen once, kept in this browser.

import { signal } from '@preact/signals'

const STORAGE_KEY = 'antipasto.list'

const grouped = signal(localStorage.getItem(STORAGE_KEY) !== 'flat')

export const isGrouped = grouped

export function group(isWished: boolean): void {
  localStorage.setItem(STORAGE_KEY, isWished ? 'grouped' : 'flat')
  grouped.value = isWished
}
