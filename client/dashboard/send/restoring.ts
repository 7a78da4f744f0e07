// Going on after a reload or a crash with the files that this browser has kept.

import type { Meta, Uppy } from '@uppy/core'
import type { TusBody } from '@uppy/tus'
import { tell } from '../parts/notices.js'
import { formats, words } from '../words/words.js'
import { lookAtHeld } from './held.js'
import { keepFiles } from './retriever.js'

const RESTORE_MS = 5_000

/**
 * Restores what is kept of this owner, goes on with what was on its way, and keeps from now on what is added. What had only
 * been chosen waits to be sent, as it did.
 *
 * To be waited for before anything is added: Golden Retriever puts what it restores in the place of all that there is.
 */
export async function restoreFiles(uppy: Uppy<Meta, TusBody>, owner: string): Promise<void> {
  const { isToBeRestored } = await lookAtHeld(owner)
  const restored = new Promise<void>((resolve) => {
    uppy.once('restored', () => resolve())
    // It is only told when there was something to be read.
    setTimeout(resolve, isToBeRestored ? RESTORE_MS : 0)
  })
  keepFiles(uppy)
  await restored
  // Uppy would ask whether to go on.
  uppy.setState({ recoveredState: null })
  const files = uppy.getFiles()
  // Their bytes could not be kept after all. They aren't begun here, so that nothing on the server ends with them.
  const ghosts = files.filter(({ isGhost }) => isGhost)
  for (const { id } of ghosts) uppy.setFileState(id, { tus: { uploadUrl: null } })
  if (ghosts.length > 0) uppy.removeFiles(ghosts.map(({ id }) => id))
  const held = files.filter(({ isGhost, error, progress }) => !isGhost && !error && progress.uploadStarted)
  const { currentUploads } = uppy.getState()
  const begun = new Set(Object.values(currentUploads).flatMap(({ fileIDs }) => fileIDs))
  for (const id of Object.keys(currentUploads)) uppy.restore(id).catch(ignored)
  for (const { id } of held) if (!begun.has(id)) uppy.retryUpload(id).catch(ignored)
  if (held.length > 0) tell({ text: words.send.restored(formats.count(held.length), held.length) })
}

/** Told by Uppy's events. */
function ignored(): void {}
