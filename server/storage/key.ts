// What a key in a store looks like: an id of ours, in hex, and nothing that could mean another place.

import { AppError } from '../errors.js'

const KEY = /^[0-9a-f]{8,64}$/

export function isKey(text: string): boolean {
  return KEY.test(text)
}

/** @throws NOT_FOUND for what can't be a key: nothing is there */
export function assertKey(text: string): void {
  if (!isKey(text)) throw new AppError('NOT_FOUND', 'There is no such upload. GET /uploads lists yours.')
}
