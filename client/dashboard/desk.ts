// What the parts of the page share: who is signed in, what is known of their files, what this tab sends.

import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import { Antipasto } from '../api/antipasto.js'
import { createMe, type Me } from './me.js'
import { createSending, type Sending } from './send/sending.js'
import type { Session } from './sign-in/session.js'
import { createLive, type Live } from './staged/live.js'
import { Reports } from './staged/reports.js'

export interface Desk {
  readonly session: Session
  readonly antipasto: Antipasto
  readonly me: Me
  readonly reports: Reports
  readonly live: Live
  readonly sending: Sending
}

/** A person waits: what hasn't come through by then is told, with a button to try again. */
const PATIENCE_SECONDS = 20

export function createDesk(session: Session): Desk {
  const antipasto = new Antipasto({
    // Beside the page, wherever that is mounted. Never the server's PUBLIC_URL: the key goes to this origin only.
    url: new URL('.', document.baseURI).href,
    credentials: {
      current: () => session.key.peek(),
      renew(ended, signal) {
        // Nothing is lost by it: every request waits here until somebody has signed in again.
        if (ended !== null) session.refuse(ended)
        return session.waitForKey(signal)
      },
    },
    patienceSeconds: PATIENCE_SECONDS,
  })
  const reports = new Reports()
  const live = createLive(antipasto, session)
  live.onEvent((event) => reports.apply(event))
  const me = createMe(antipasto, session, live)
  const sending = createSending({ antipasto, session, me, reports })
  return { session, antipasto, me, reports, live, sending }
}

export const DeskContext = createContext<Desk | null>(null)

export function useDesk(): Desk {
  const desk = useContext(DeskContext)
  if (desk === null) throw new Error('This part of the page stands outside of <App>.')
  return desk
}
