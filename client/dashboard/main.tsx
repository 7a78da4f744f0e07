// Where the page begins.

// First of all: modules run in the order of their imports.
import './sign-in/arrival.js'

import './look/tokens.css'
import './look/frame.css'
import './look/controls.css'
import { startApp } from './app.js'
import { arrival, keyInAddress } from './sign-in/arrival.js'
import { runErrand } from './sign-in/trip.js'
import { words } from './words/words.js'

const root = document.querySelector('#app')

if (arrival.kind === 'errand' && (await runErrand(arrival))) {
  // This window began with a copy of the other one's storage.
  sessionStorage.clear()
  window.close()
  root?.replaceChildren(words.signIn.errandDone)
} else if (root !== null) {
  startApp(root, {
    token: 'token' in arrival ? arrival.token : null,
    key: keyInAddress,
    isUnasked: arrival.kind === 'unasked',
  })
}
