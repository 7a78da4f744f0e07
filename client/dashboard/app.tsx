// The page: its frame, and in it the view that the address names.

import { render } from 'preact'
import { useEffect } from 'preact/hooks'
import { createDesk, type Desk, DeskContext, useDesk } from './desk.js'
import { Announcer } from './frame/announcer.js'
import { Connectivity } from './frame/connectivity.js'
import { Fence } from './frame/fence.js'
import { focusHeading, forgetHeading } from './frame/focus-heading.js'
import { Masthead } from './frame/masthead.js'
import { useTitle } from './frame/title.js'
import { Icon } from './parts/icon.js'
import { Later } from './parts/later.js'
import { Notices } from './parts/notices.js'
import { place } from './place.js'
import { hrefOf } from './route.js'
import { SendView } from './send/view.js'
import { SignInCard } from './sign-in/card.js'
import { openSession } from './sign-in/session.js'
import { returnToRow } from './staged/return.js'
import { StagedView } from './staged/view.js'
import { words } from './words/words.js'

export interface AppOptions {
  /** From the IAM, just now; null: whatever key this tab has. */
  token: string | null
  /** From the address; null: there was none. */
  key: string | null
  /** The address brought a token that isn't used. */
  isUnasked: boolean
}

export function startApp(root: Element, { token, key, isUnasked }: AppOptions): void {
  render(<App desk={createDesk(openSession({ token, key }))} isUnasked={isUnasked} />, root)
}

function App({ desk, isUnasked }: { desk: Desk; isUnasked: boolean }) {
  useTitle(desk)
  return (
    <DeskContext.Provider value={desk}>
      <button type="button" class="skip" onClick={() => document.querySelector('main')?.focus()}>
        {words.common.skip}
      </button>
      <Masthead />
      <main tabIndex={-1}>
        <Fence>
          <Connectivity />
          <SignInCard isUnasked={isUnasked} />
          <Views />
        </Fence>
      </main>
      <Notices />
      <Announcer />
    </DeskContext.Provider>
  )
}

const loadUpload = () => import('./upload/view.js').then(({ UploadView }) => UploadView)
const loadPackage = () => import('./package/view.js').then(({ PackageView }) => PackageView)
const loadSettings = () => import('./settings/view.js').then(({ SettingsView }) => SettingsView)

/** Nothing of anybody's without a key; but what is on its way stays in view until its owner has signed in again. */
function Views() {
  const { session, sending } = useDesk()
  const isSignedIn = session.key.value !== null
  const route = place.value
  useEffect(() => {
    if (isFirstView) isFirstView = false
    else if (route.view === 'files' && returnToRow()) forgetHeading()
    else focusHeading()
  }, [route])
  return (
    <>
      <div hidden={route.view !== 'files'}>
        {isSignedIn && (
          <h1 class="visually-hidden" tabIndex={-1}>
            {words.frame.files}
          </h1>
        )}
        {(isSignedIn || sending.total.value !== null) && <SendView />}
        {isSignedIn && <StagedView />}
      </div>
      {isSignedIn && route.view === 'upload' && (
        <Later load={loadUpload} props={{ id: route.id }} key={route.id} />
      )}
      {isSignedIn && route.view === 'package' && (
        <Later load={loadPackage} props={{ id: route.id }} key={route.id} />
      )}
      {isSignedIn && route.view === 'settings' && <Later load={loadSettings} props={{}} />}
      {isSignedIn && route.view === 'unknown' && <UnknownView />}
    </>
  )
}

function UnknownView() {
  return (
    <>
      <a class="back" href={hrefOf({ view: 'files' })}>
        <Icon name="back" />
        {words.common.toFiles}
      </a>
      <h1 tabIndex={-1}>{words.common.unknownView}</h1>
    </>
  )
}

/** Where the page begins the browser puts the focus itself. */
let isFirstView = true
