// Golden Retriever, shown only the files that it is to keep.

import type { Body, Meta, State, Uppy, UppyFile } from '@uppy/core'
import GoldenRetriever from '@uppy/golden-retriever'
import { chooseHeld } from './held-choice.js'

/** As long as it may take to come back to work. What the server has ended meanwhile is told when it is asked. */
const KEPT_MS = 7 * 86_400_000

/** What is kept was chosen before. The name isn't read; it is there for the type, which knows nothing else of what is. */
const NO_LIMITS = {
  name: 'uppy-blobs',
  maxFileSize: Number.POSITIVE_INFINITY,
  maxTotalSize: Number.POSITIVE_INFINITY,
}

/**
 * Keeps what `chooseHeld` says, and restores it; Uppy tells `restored` then.
 *
 * Golden Retriever keeps what it sees: of the others it would bring back names without bytes.
 */
export function keepFiles<M extends Meta, B extends Body>(uppy: Uppy<M, B>): void {
  uppy.use(SomeFilesRetriever<M, B>, {
    expires: KEPT_MS,
    indexedDB: NO_LIMITS,
  })
}

class SomeFilesRetriever<M extends Meta, B extends Body> extends GoldenRetriever<M, B> {
  constructor(uppy: Uppy<M, B>, options: ConstructorParameters<typeof GoldenRetriever<M, B>>[1]) {
    super(withSomeFiles(uppy), options)
  }
}

type OnStateUpdate<M extends Meta, B extends Body> = (
  before: State<M, B>,
  now: State<M, B>,
  patch: Partial<State<M, B>> | undefined,
) => void

/** `uppy` as it is, but for the files in what it tells of its state. */
function withSomeFiles<M extends Meta, B extends Body>(uppy: Uppy<M, B>): Uppy<M, B> {
  let held = new Set<string>()
  let shown = narrowed(uppy.getState(), held)
  const listeners = new Map<unknown, OnStateUpdate<M, B>>()

  function look(state: State<M, B>): State<M, B> {
    const open = Object.values(state.files).filter((file) => file.progress.uploadComplete !== true)
    held = chooseHeld(open, held)
    return narrowed(state, held)
  }

  return new Proxy(uppy, {
    get(target, name) {
      if (name === 'getState') return () => narrowed(target.getState(), held)
      if (name === 'on') {
        return (event: string, listener: OnStateUpdate<M, B>) => {
          if (event !== 'state-update') return Reflect.apply(target.on, target, [event, listener])
          const listen: OnStateUpdate<M, B> = (before, now, patch) => {
            if (now.files === before.files && now.currentUploads === before.currentUploads) return
            const previous = shown
            shown = look(now)
            listener(previous, shown, patch)
          }
          listeners.set(listener, listen)
          return target.on(event, listen)
        }
      }
      if (name === 'off') {
        return (event: 'state-update', listener: OnStateUpdate<M, B>) =>
          target.off(event, listeners.get(listener) ?? listener)
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function narrowed<M extends Meta, B extends Body>(
  state: State<M, B>,
  held: ReadonlySet<string>,
): State<M, B> {
  const files: Record<string, UppyFile<M, B>> = {}
  for (const id of held) {
    const file = state.files[id]
    if (file !== undefined) files[id] = file
  }
  const currentUploads: State<M, B>['currentUploads'] = {}
  for (const [id, upload] of Object.entries(state.currentUploads)) {
    const fileIDs = upload.fileIDs.filter((fileId) => held.has(fileId))
    if (fileIDs.length > 0) currentUploads[id] = { ...upload, fileIDs }
  }
  return { ...state, files, currentUploads }
}
