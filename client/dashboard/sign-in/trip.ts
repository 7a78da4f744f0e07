// The way to the IAM and back. The IAM knows no `state`, so this page remembers that it has sent somebody: a token that
// comes unasked may be another person's, who would then find one's files among their own.

const TRIP_KEY = 'antipasto.trip'
const PLACE_KEY = 'antipasto.place'
const CHANNEL = 'antipasto.sign-in'
const TOKEN_PARAMETER = 'edi_token'
const HAND_OVER_MS = 5_000

/** How this page was come to. */
export type Arrival =
  | { kind: 'visit' }
  /** Back from the IAM. */
  | { kind: 'signed-in'; token: string }
  /** Back from the IAM in a window of its own: the page that opened it, and knows `trip`, waits for the token. */
  | { kind: 'errand'; trip: string; token: string }
  /** With a token that nobody here has asked for. */
  | { kind: 'unasked' }

/**
 * Reads the address and strikes the token from it and from the history. To be called before anything else.
 *
 * Only `edi_token` counts: what else the IAM writes there isn't signed.
 */
export function arrive(): Arrival {
  const trip = sessionStorage.getItem(TRIP_KEY)
  const placeBefore = sessionStorage.getItem(PLACE_KEY) ?? ''
  // Whoever comes back without a token has changed their mind; the next token is unasked then.
  sessionStorage.removeItem(TRIP_KEY)
  sessionStorage.removeItem(PLACE_KEY)
  const query = new URLSearchParams(location.search)
  const tokens = query.getAll(TOKEN_PARAMETER)
  if (tokens.length === 0) return { kind: 'visit' }
  history.replaceState(null, '', location.pathname)
  const [token = ''] = tokens
  if (trip === null || tokens.length > 1 || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
    return { kind: 'unasked' }
  if (trip !== HERE) return { kind: 'errand', trip, token }
  // The IAM leads to the page; who had opened a link to one upload wants that.
  if (placeBefore.startsWith('#/')) history.replaceState(null, '', location.pathname + placeBefore)
  return { kind: 'signed-in', token }
}

const HERE = 'here'

/** Leaves for the IAM; the page comes back anew. */
export function signInHere(url: string): void {
  sessionStorage.setItem(TRIP_KEY, HERE)
  sessionStorage.setItem(PLACE_KEY, location.hash)
  location.assign(url)
}

/**
 * Goes to the IAM in a window of its own, so that this page and its files live on; `onToken` is told the token.
 *
 * Answers false when the browser blocks the window. Whoever closes it has changed their mind, and nothing is told.
 */
export function signInBeside(url: string, onToken: (token: string) => void): boolean {
  const trip = crypto.getRandomValues(new Uint32Array(4)).join('-')
  // The window begins with a copy of this tab's storage, which outlives the sites that it visits on its way.
  sessionStorage.setItem(TRIP_KEY, trip)
  const opened = window.open('', '_blank', 'popup,width=560,height=720')
  sessionStorage.removeItem(TRIP_KEY)
  if (opened === null) return false
  // No site on the way gets a hold of this page.
  opened.opener = null
  opened.location.href = url

  const channel = new BroadcastChannel(CHANNEL)
  channel.addEventListener('message', (event: MessageEvent<unknown>) => {
    // A channel has one origin only; a window's messages, which any site may send, are listened to nowhere.
    if (event.origin !== location.origin || !isErrand(event.data) || event.data.trip !== trip) return
    channel.postMessage({ done: trip })
    channel.close()
    onToken(event.data.token)
  })
  return true
}

/** In that window: hands the token over. Resolves false when the page that waited for it is gone. */
export function runErrand({ trip, token }: { trip: string; token: string }): Promise<boolean> {
  const channel = new BroadcastChannel(CHANNEL)
  return new Promise((resolve) => {
    const settle = (isTaken: boolean) => {
      channel.close()
      resolve(isTaken)
    }
    setTimeout(() => settle(false), HAND_OVER_MS)
    channel.addEventListener('message', (event: MessageEvent<unknown>) => {
      const { data } = event
      if (typeof data === 'object' && data !== null && 'done' in data && data.done === trip) settle(true)
    })
    channel.postMessage({ trip, token })
  })
}

function isErrand(data: unknown): data is { trip: string; token: string } {
  if (typeof data !== 'object' || data === null || !('trip' in data) || !('token' in data)) return false
  return typeof data.trip === 'string' && typeof data.token === 'string'
}
