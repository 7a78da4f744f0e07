// What a display says of a request that will be tried again. Pure.

import type { Wait } from '../../api/connection.js'
import { plainText } from '../plain-text.js'

/** "The connection to example.org broke; trying again in 12 s": what went wrong, without what to do about it. */
export function waitWords({ error, delayMs }: Wait): string {
  const what = /^.*?(?=\.(\s|$))/s.exec(error.message)?.[0] ?? error.message
  return `${plainText(what)}; trying again in ${Math.max(1, Math.ceil(delayMs / 1000))} s`
}
