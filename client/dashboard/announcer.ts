// What a screen reader is told in passing: "SHA-256 copied", "lake.csv is ready".

import { byId } from './element.js'

/** Says `message` through the page's polite live region. */
export function announce(message: string): void {
  const region = byId('announcer', HTMLElement)
  // The same words twice are only read twice when the region changed in between.
  region.textContent = ''
  setTimeout(() => {
    region.textContent = message
  }, 50)
}
