import { announcement } from '../announcer.js'

/** The page's one live region. */
export function Announcer() {
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {announcement}
    </p>
  )
}
