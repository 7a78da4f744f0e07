// What this tab sends. Here before Uppy is, which is only loaded when a drop is likely.

import { batch, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Antipasto } from '../../api/antipasto.js'
import { LocalFileDiffers } from '../../api/errors.js'
import { sleep } from '../../api/sleep.js'
import type { Report } from '../../api/types.js'
import type { Me } from '../me.js'
import type { Session } from '../sign-in/session.js'
import type { Reports } from '../staged/reports.js'
import { formats, words } from '../words/words.js'
import { forgetHeld, lookAtHeld } from './held.js'
import { forgetLabel } from './last-label.js'
import type { LocalUpload, SendingTotal } from './local-uploads.js'
import type { Pick } from './picked.js'
import type { Difference } from './same-file.js'
import type { Uploader } from './uploader.js'

/** A file that was given again, while it is compared with what the server has. */
export interface Check {
  name: string
  doneBytes: number
  /** 0 while the server is asked. */
  ofBytes: number
  cancel(): void
}

const SNAPSHOT_MS = 600

export interface GoOnOptions {
  signal?: AbortSignal
}

export interface Sending {
  /** By upload id: what this tab sends now, or holds to go on with. */
  readonly uploads: ReadonlySignal<ReadonlyMap<string, LocalUpload>>
  /** All of them together; null when there are none. */
  readonly total: ReadonlySignal<SendingTotal | null>
  /** By upload id: files that are being compared. */
  readonly checks: ReadonlySignal<ReadonlyMap<string, Check>>
  /** Uppy and what it holds; null while it isn't loaded. */
  readonly uploader: ReadonlySignal<Uploader | null>
  readonly loading: ReadonlySignal<'idle' | 'loading' | 'failed'>
  /** What was put in by hand for the files that are sent next; null: nothing was, and a label is suggested. */
  readonly typedLabel: Signal<string | null>
  /** A drop is likely: Uppy is loaded. */
  prepare(): void
  /** Files to choose from, dropped or picked, however long Uppy may take to come. */
  add(pick: Pick): void
  /**
   * Goes on with an unfinished upload, once `file` was found to begin with what was sent; `checks` tells how far that is.
   *
   * @throws LocalFileDiffers, in words; what the API throws; the signal's reason
   */
  goOn(report: Report, file: File, options?: GoOnOptions): Promise<void>
  pause(id: string): void
  resume(id: string): void
  /** Stops sending it and forgets it. Ending it on the server is the caller's. */
  drop(id: string): void
}

export interface SendingOptions {
  antipasto: Antipasto
  session: Session
  me: Me
  reports: Reports
}

export function createSending({ antipasto, session, me, reports }: SendingOptions): Sending {
  const uploads = signal<ReadonlyMap<string, LocalUpload>>(new Map())
  const total = signal<SendingTotal | null>(null)
  const checks = signal<ReadonlyMap<string, Check>>(new Map())
  const uploader = signal<Uploader | null>(null)
  const loading = signal<'idle' | 'loading' | 'failed'>('idle')
  const typedLabel = signal<string | null>(null)
  let loaded: Promise<Uploader> | undefined
  let owner: string | null = null

  effect(() => {
    const now = me.now.value
    if (now === null || now.owner === owner) return
    const next = now.owner
    // The same person by another of their names.
    if (owner !== null && now.aliases.includes(owner)) return
    // Somebody else has signed in, and nothing was on its way: what was chosen by the one before isn't theirs.
    if (owner !== null) close()
    owner = next
    void lookAtHeld(next).then(({ hasFiles }) => {
      if (hasFiles && owner === next) load().catch(ignored)
    })
  })

  addEventListener('beforeunload', (event) => {
    // Nothing is lost by leaving, but the files stop; the browser asks in its own words.
    if (total.peek()?.isMoving) event.preventDefault()
  })

  /** Resolves with Uppy, once it is known whose files these are. */
  function load(): Promise<Uploader> {
    loaded ??= (async () => {
      loading.value = 'loading'
      try {
        const [{ createUploader }, whose] = await Promise.all([import('./uploader.js'), knownOwner()])
        const made = await createUploader({
          ...{ antipasto, session, me, reports, owner: whose, typedLabel },
          board: { uploads, total },
          goOn: (report, file) => goOn(report, file),
        })
        batch(() => {
          uploader.value = made
          loading.value = 'idle'
        })
        return made
      } catch (error) {
        loaded = undefined
        loading.value = 'failed'
        throw error
      }
    })()
    return loaded
  }

  function knownOwner(): Promise<string> {
    return new Promise((resolve) => {
      const stop = me.now.subscribe((answer) => {
        if (answer === null) return
        queueMicrotask(() => stop())
        resolve(answer.owner)
      })
    })
  }

  /** Stops all; what arrived stays on the server. */
  function close(): void {
    const closing = uploader.peek()
    loaded = undefined
    batch(() => {
      uploader.value = null
      uploads.value = new Map()
      total.value = null
      typedLabel.value = null
    })
    closing?.close()
  }

  function setCheck(id: string, check: Check | null): void {
    const next = new Map(checks.peek())
    if (check === null) next.delete(id)
    else next.set(id, check)
    checks.value = next
  }

  async function goOn(report: Report, file: File, { signal }: GoOnOptions = {}): Promise<void> {
    const { id } = report
    checks.peek().get(id)?.cancel()
    const controller = new AbortController()
    const cancel = () => controller.abort()
    signal?.addEventListener('abort', cancel)
    const check = { name: file.name, doneBytes: 0, ofBytes: 0, cancel }
    setCheck(id, check)
    try {
      const { differenceOf } = await import('./same-file.js')
      const difference = await differenceOf(antipasto, report, file, {
        signal: controller.signal,
        onProgress: (doneBytes, ofBytes) => setCheck(id, { ...check, doneBytes, ofBytes }),
      })
      if (difference !== null) throw new LocalFileDiffers(differenceWords(difference, file.name))
      const ready = await load()
      controller.signal.throwIfAborted()
      ready.goOn(report, file)
    } finally {
      signal?.removeEventListener('abort', cancel)
      setCheck(id, null)
    }
  }

  session.onLeave(async () => {
    const whose = owner
    for (const check of checks.peek().values()) check.cancel()
    const isLoaded = loaded !== undefined
    close()
    // Golden Retriever writes its last snapshot half a second later.
    if (isLoaded) await sleep(SNAPSHOT_MS)
    if (whose === null) return
    forgetLabel(whose)
    await forgetHeld(whose).catch(ignored)
  })

  return {
    ...{ uploads, total, checks, uploader, loading, typedLabel, goOn },
    prepare() {
      if (session.key.peek() !== null) load().catch(ignored)
    },
    add(pick) {
      load().then((ready) => ready.add(pick), ignored)
    },
    pause: (id) => uploader.peek()?.pause(id),
    resume: (id) => uploader.peek()?.resume(id),
    drop(id) {
      checks.peek().get(id)?.cancel()
      uploader.peek()?.drop(id)
    },
  }
}

function differenceWords(difference: Difference, name: string): string {
  if (difference.kind === 'bytes') return words.send.differsInBytes(name)
  const { expectedBytes, actualBytes } = difference
  return words.send.differsInSize(name, formats.exactBytes(expectedBytes), formats.exactBytes(actualBytes))
}

/** Told by `loading`; of what is kept nothing more can be done. */
function ignored(): void {}
