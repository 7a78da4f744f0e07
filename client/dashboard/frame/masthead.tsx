import { useDesk } from '../desk.js'
import iconUrl from '../icon.svg'
import { Progress } from '../parts/progress.js'
import { place } from '../place.js'
import { hrefOf } from '../route.js'
import { formats, words } from '../words/words.js'

export function Masthead() {
  const { session } = useDesk()
  return (
    <header class="masthead">
      <div class="masthead-row">
        <a class="brand" href={hrefOf({ view: 'files' })}>
          <img src={iconUrl} alt="" width="32" height="32" />
          <span>{words.common.name}</span>
        </a>
        {session.key.value === null ? <p class="tagline">{words.frame.tagline}</p> : <SignedIn />}
      </div>
      <OnTheWay />
    </header>
  )
}

function SignedIn() {
  const { session, me } = useDesk()
  const { view } = place.value
  const name = session.name.value ?? me.now.value?.owner
  return (
    <>
      <nav aria-label={words.frame.sections}>
        <a href={hrefOf({ view: 'files' })} aria-current={view === 'files' ? 'page' : undefined}>
          {words.frame.files}
        </a>
        <a href={hrefOf({ view: 'settings' })} aria-current={view === 'settings' ? 'page' : undefined}>
          {words.frame.settings}
        </a>
      </nav>
      <div class="account">
        {name !== undefined && (
          <span class="who" title={me.now.value?.owner} dir="auto">
            {name}
          </span>
        )}
        <button type="button" class="quiet" onClick={() => session.leave()}>
          {words.frame.signOut}
        </button>
      </div>
    </>
  )
}

/** How far this tab's uploads are, whichever view is on show. */
function OnTheWay() {
  const total = useDesk().sending.total.value
  if (total === null || place.value.view === 'files') return null
  return (
    <a class="on-the-way" href={hrefOf({ view: 'files' })}>
      <Progress part={total.sentBytes} whole={total.sizeBytes} label={words.state.sending} />
      <span>{formats.percent(total.sentBytes, total.sizeBytes)}</span>
    </a>
  )
}
