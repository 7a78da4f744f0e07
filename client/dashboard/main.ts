// The page: session, drop area and list, put together.

import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'
import './style.css'

import { createApi } from './api.js'
import { byId } from './element.js'
import { createKeyForm } from './key-form.js'
import { createPolling } from './polling.js'
import { openSession } from './session.js'
import { createStagedList } from './staged-list.js'
import { createUploader } from './uploader.js'

const uploadSection = byId('upload-section', HTMLElement)
const stagedSection = byId('staged-section', HTMLElement)
const changeKey = byId('change-key', HTMLButtonElement)

const session = openSession(show)
const keyForm = createKeyForm((key) => session.use(key))
const uploader = createUploader({
  target: byId('uppy', HTMLElement),
  session,
  onChange: () => polling.now(),
})
const list = createStagedList({
  api: createApi(session),
  localOf: (uploadId) => uploader.localOf(uploadId),
  onStale: () => polling.now(),
})
const polling = createPolling(async () => {
  const isListMoving = await list.refresh()
  return isListMoving || uploader.isSending()
})

changeKey.addEventListener('click', () => session.forget())

window.addEventListener('beforeunload', (event) => {
  // Nothing is lost by leaving, but the files stop; the browser asks in its own words.
  if (uploader.isSending()) event.preventDefault()
})

/** Shows what there is with a key, or the form without one. Files on their way stay in view either way. */
function show(key: string | null, why: 'refused' | 'absent'): void {
  list.clear()
  stagedSection.hidden = key === null
  changeKey.hidden = key === null
  uploadSection.hidden = key === null && uploader.isEmpty()
  if (key === null) {
    polling.stop()
    keyForm.ask(why === 'refused' && !uploader.isEmpty() ? 'refused-midway' : why)
  } else {
    keyForm.hide()
    polling.now()
  }
}

show(session.key, 'absent')
