// Where the page begins. The address may hold a token, so that it is looked at before anything else is even loaded.

import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'
import './style.css'

import { byId, element } from './element.js'
import { arrive, runErrand } from './trip.js'

const arrival = arrive()

if (arrival.kind === 'errand' && (await runErrand(arrival))) {
  // This window began with a copy of the other one's storage.
  sessionStorage.clear()
  window.close()
  byId('main', HTMLElement).replaceChildren(
    element('p', { class: 'card' }, 'You are signed in. You can close this window.'),
  )
} else {
  const { startPage } = await import('./page.js')
  startPage({
    token: 'token' in arrival ? arrival.token : null,
    isUnasked: arrival.kind === 'unasked',
  })
}
