// Where the page begins. The address may hold a token, so that it is looked at before anything else is even loaded.

import './look/tokens.css'
import './look/frame.css'
import './look/controls.css'
import { takeKeyFromAddress } from './sign-in/key-in-address.js'
import { arrive, runErrand } from './sign-in/trip.js'

const arrival = arrive()
const key = takeKeyFromAddress()
const root = document.querySelector('#app')

if (arrival.kind === 'errand' && (await runErrand(arrival))) {
  // This window began with a copy of the other one's storage.
  sessionStorage.clear()
  window.close()
  const { words } = await import('./words/words.js')
  root?.replaceChildren(words.signIn.errandDone)
} else if (root !== null) {
  const { startApp } = await import('./app.js')
  startApp(root, {
    token: 'token' in arrival ? arrival.token : null,
    key,
    isUnasked: arrival.kind === 'unasked',
  })
}
