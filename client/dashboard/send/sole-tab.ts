// One tab at a time keeps an owner's files, and one tab sends an upload: two of them would take it from each other for ever, as
// the server lets the newest request win. Web Locks would do, but aren't to be had over plain http.

const CHANNEL = 'antipasto.sending'
const ANSWER_MS = 250

type Message =
  | { kind: 'claim'; shelf: string; ticket: number }
  | { kind: 'taken'; shelf: string; ticket: number }
  | { kind: 'sends'; uploadId: string }

export interface Tabs {
  /** Resolves true when this tab is the one that keeps the files of that shelf, until it is closed. */
  claim(shelf: string): Promise<boolean>
  /** Tells the others that this tab sends that upload from now on. */
  send(uploadId: string): void
  /** Another tab sends it. */
  onSentElsewhere(listener: (uploadId: string) => void): void
  /** Another tab may keep the files from now on. */
  close(): void
}

export function openTabs(): Tabs {
  const channel = new BroadcastChannel(CHANNEL)
  const held = new Set<string>()
  const tickets = new Map<string, number>()
  const refused = new Set<number>()
  let listener: ((uploadId: string) => void) | undefined

  channel.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if (data.kind === 'sends') listener?.(data.uploadId)
    else if (data.kind === 'taken') refused.add(data.ticket)
    else if (held.has(data.shelf) || (tickets.get(data.shelf) ?? Number.POSITIVE_INFINITY) < data.ticket) {
      channel.postMessage({ kind: 'taken', shelf: data.shelf, ticket: data.ticket } satisfies Message)
    }
  })

  return {
    async claim(shelf) {
      if (held.has(shelf)) return true
      // Of two tabs that ask at the same time, as when a browser opens all of its tabs again, the lower number has it.
      const ticket = Math.random()
      tickets.set(shelf, ticket)
      channel.postMessage({ kind: 'claim', shelf, ticket } satisfies Message)
      await new Promise((resolve) => setTimeout(resolve, ANSWER_MS))
      tickets.delete(shelf)
      if (refused.delete(ticket)) return false
      held.add(shelf)
      return true
    },
    send: (uploadId) => channel.postMessage({ kind: 'sends', uploadId } satisfies Message),
    onSentElsewhere(next) {
      listener = next
    },
    close: () => channel.close(),
  }
}
