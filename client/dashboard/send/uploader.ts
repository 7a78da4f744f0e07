// Uppy, put together: its panel, its requests, what it keeps for later, and what the page is told of it. Loaded late.

import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'
import './panel.css'

import { type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Meta } from '@uppy/core'
import Tus, { type TusBody } from '@uppy/tus'
import type { Antipasto } from '../../api/antipasto.js'
import type { Report } from '../../api/types.js'
import type { Me } from '../me.js'
import { tell } from '../parts/notices.js'
import { troubleWords } from '../parts/trouble.js'
import type { Session } from '../sign-in/session.js'
import type { Reports } from '../staged/reports.js'
import { formats, words } from '../words/words.js'
import { createBoard } from './board.js'
import { cancelOnServer } from './canceling.js'
import { type Chosen, chosenOf, isSameChoice } from './chosen.js'
import { createFailures, type Failure } from './failures.js'
import { shelfOf } from './held.js'
import { labelFor } from './label.js'
import { lastLabel, rememberLabel } from './last-label.js'
import type { LocalUpload, SendingTotal } from './local-uploads.js'
import { createOffers, type Offers } from './offers.js'
import { createPanel, panelLocale } from './panel.js'
import {
  descriptorOf,
  goingOnWith,
  nameOf,
  type PanelFile,
  prepared,
  uploadIdIn,
  withLabel,
} from './panel-file.js'
import type { Pick } from './picked.js'
import { createRequests } from './requests.js'
import { restoreFiles } from './restoring.js'
import { excessOf, roomOf } from './room.js'
import { SlowStore } from './slow-store.js'
import { openTabs } from './sole-tab.js'
import { StagingUppy } from './staging-uppy.js'
import { Turns } from './turns.js'

/** Long enough to see "Complete"; then the file is to be found in the list below. */
const HAND_OVER_MS = 2_500

export interface Uploader {
  /** Uppy's panel, to be put where it is to be seen. */
  readonly element: HTMLElement
  /** All files in the panel. */
  readonly count: ReadonlySignal<number>
  /** Those that wait to be sent. */
  readonly chosen: ReadonlySignal<Chosen>
  /** Sentences about files that weren't taken. */
  readonly refused: Signal<readonly string[]>
  readonly offers: Omit<Offers, 'lookFor' | 'take' | 'forget'>
  readonly failures: ReadonlySignal<readonly Failure[]>
  /** To the button that sends what was chosen. */
  focus(): void
  add(pick: Pick): void
  /** `file` was found to begin with what was sent. */
  goOn(report: Report, file: File): void
  retry(fileId: string): void
  pause(uploadId: string): void
  resume(uploadId: string): void
  /** Stops it, and leaves the server's part to the caller. */
  drop(uploadId: string): void
  /** Stops all, and leaves what is on the server and what is kept as they are. */
  close(): void
}

export interface UploaderOptions {
  antipasto: Antipasto
  session: Session
  me: Me
  reports: Reports
  owner: string
  typedLabel: Signal<string | null>
  board: { uploads: Signal<ReadonlyMap<string, LocalUpload>>; total: Signal<SendingTotal | null> }
  /** Compares it, and calls `goOn` here. */
  goOn(report: Report, file: File): Promise<void>
}

/** Resolves when what this browser has kept is in the panel. */
export async function createUploader(options: UploaderOptions): Promise<Uploader> {
  const { antipasto, session, me, reports, owner, typedLabel } = options
  const count = signal(0)
  const chosen = signal<Chosen>(chosenOf([]))
  const refused = signal<readonly string[]>([])
  const turns = new Turns()
  const tabs = openTabs()
  /** By upload id: this tab has told the others that it sends them. */
  const told = new Set<string>()
  /** By file id: taken out of the panel, and not to be ended on the server. */
  const dropped = new Set<string>()

  const uppy = new StagingUppy<Meta, TusBody>(
    {
      id: shelfOf(owner),
      store: new SlowStore<Meta, TusBody>(),
      // Each failure is shown to the user, and is no fault of the page.
      logger: { debug() {}, warn() {}, error: (...what) => console.warn(...what) },
      locale: await panelLocale(),
      onBeforeFileAdded: (file, files) => {
        const refusal = refusalOfNew(file, files[file.id])
        if (refusal !== null) refuse(refusal)
        return refusal === null ? prepared(file) : false
      },
    },
    { onSend },
  )
  const { options: tusOptions, refusalOf } = createRequests({
    session,
    turnOf: (fileId) => turns.of(fileId),
    onRequest: (fileId) => board.noteRequest(fileId, true),
    onWait: (fileId) => board.noteRequest(fileId, false),
    onAnswer(uploadId, acknowledgedBytes) {
      if (acknowledgedBytes !== null) board.noteAcknowledged(uploadId, acknowledgedBytes)
      if (!told.has(uploadId)) tabs.send(uploadId)
      told.add(uploadId)
    },
  })
  const failures = createFailures(uppy, refusalOf)
  const offers = createOffers({
    ...{ uppy, antipasto, session },
    isHere: (uploadId) => fileOf(uploadId) !== undefined,
    goOn: options.goOn,
    onRefused(error) {
      if (!(error instanceof DOMException)) refuse(troubleWords(error))
    },
  })
  const board = createBoard({
    ...{ uppy, antipasto, session, reports, ...options.board },
    idOf: uploadIdIn,
    requestIdOf: failures.requestIdOf,
  })
  listen()
  uppy.use(Tus<Meta, TusBody>, tusOptions)
  const element = createPanel(uppy)
  if (await tabs.claim(shelfOf(owner))) await restoreFiles(uppy, owner)

  /** Before the tus plugin does: it finds the URL of what was taken away gone, and leaves the server's part to us. */
  function listen(): void {
    uppy.on('file-removed', onRemoved)
    uppy.on('cancel-all', () => {
      for (const fileId of Object.keys(tus().uploaders)) letGo(fileId)
    })
    uppy.on('upload-pause', (file) => {
      if (file === undefined) return
      turns.next(file.id)
      board.noteRequest(file.id, false)
    })
    for (const event of ['pause-all', 'resume-all'] as const) {
      uppy.on(event, () => {
        turns.nextOfAll()
        board.noteRest()
      })
    }
    uppy.on('upload-error', (file) => {
      const uploadId = file === undefined ? null : uploadIdIn(file)
      if (uploadId !== null) told.delete(uploadId)
      handOver()
    })
    uppy.on('upload-success', handOver)
    uppy.on('files-added', (files) => void offers.lookFor(files))
    uppy.on('state-update', (before, now) => {
      if (now.files !== before.files) look()
    })
    tabs.onSentElsewhere((uploadId) => {
      const file = fileOf(uploadId)
      if (file === undefined || !told.has(uploadId)) return
      drop(uploadId)
      tell({ text: words.send.elsewhere(nameOf(file)) })
    })
  }

  function onRemoved(file: PanelFile): void {
    turns.next(file.id)
    letGo(file.id)
    failures.forget(file.id)
    offers.forget(file.id)
    board.forget(file.id)
    const uploadId = uploadIdIn(file)
    const isOver = file.progress.uploadComplete || dropped.delete(file.id)
    if (uploadId === null || isOver) return
    told.delete(uploadId)
    void cancelOnServer(uploadId, file, { antipasto, reports, goOn })
  }

  // ---- Coming in

  /** Why it isn't taken, in words; null: it is. */
  function refusalOfNew(file: PanelFile, known: PanelFile | undefined): string | null {
    if (known !== undefined && !known.isGhost && !known.progress.uploadComplete)
      return words.send.twice(file.name)
    const largest = me.now.peek()?.limits.file_bytes
    if (largest === undefined || (file.size ?? 0) <= largest) return null
    return words.send.tooLarge(file.name, formats.bytes(file.size ?? 0), formats.bytes(largest))
  }

  function refuse(sentence: string): void {
    refused.value = [...refused.peek(), sentence]
  }

  function add({ files, unreadable }: Pick): void {
    refused.value = unreadable.map((path) => words.send.unreadable(path))
    uppy.addFiles(files.map(({ file, relativePath }) => descriptorOf(file, relativePath)))
  }

  // ---- Going out

  /** False: nothing is sent now. */
  function onSend(): boolean {
    const now = me.now.peek()
    const { folder } = chosen.peek()
    if (now !== null && excessOf(chosen.peek(), roomOf(now)) !== null) return false
    refused.value = []
    offers.take()
    const label = labelFor({ typed: typedLabel.peek(), folder, last: lastLabel(owner) }).trim()
    const { files } = uppy.getState()
    const fresh = Object.values(files).filter((file) => !file.progress.uploadStarted)
    if (fresh.length > 0) {
      rememberLabel(owner, label)
      typedLabel.value = null
      const labelled = fresh.map((file) => [file.id, withLabel(file, label)] as const)
      uppy.setState({ files: { ...files, ...Object.fromEntries(labelled) } })
    }
    return fresh.length > 0 || failures.all.peek().length > 0
  }

  function goOn(report: Report, file: File): void {
    if (fileOf(report.id) !== undefined) {
      resume(report.id)
      return
    }
    const waiting = uppy.getFiles().filter(({ data, progress }) => data === file && !progress.uploadStarted)
    uppy.removeFiles(waiting.map(({ id }) => id))
    const descriptor = descriptorOf(file, report.relative_path)
    const label = report.label === null ? {} : { label: report.label }
    const id = uppy.addFile({ ...descriptor, meta: { ...descriptor.meta, ...label } })
    uppy.setFileState(id, { tus: goingOnWith(report.id) })
    board.noteAcknowledged(report.id, report.offset)
    retry(id)
  }

  function pause(uploadId: string): void {
    const file = fileOf(uploadId)
    if (file !== undefined && !file.isPaused && !file.error) uppy.pauseResume(file.id)
  }

  function resume(uploadId: string): void {
    const file = fileOf(uploadId)
    if (file?.error) retry(file.id)
    else if (file?.isPaused) uppy.pauseResume(file.id)
  }

  function retry(fileId: string): void {
    // Told by Uppy's events.
    uppy.retryUpload(fileId).catch(() => {})
  }

  function drop(uploadId: string): void {
    const file = fileOf(uploadId)
    if (file === undefined) return
    told.delete(uploadId)
    dropped.add(file.id)
    uppy.removeFile(file.id)
  }

  /** tus-js-client stops, and knows of no upload that it might end on the server. */
  function letGo(fileId: string): void {
    const upload = tus().uploaders[fileId]
    if (!upload) return
    void upload.abort()
    upload.url = null
  }

  /** When nothing is on its way any more, what has arrived makes room. */
  function handOver(): void {
    setTimeout(() => {
      const begun = uppy.getFiles().filter(({ progress }) => progress.uploadStarted)
      const isOver = begun.every(({ progress, error }) => progress.uploadComplete || error)
      const done = begun.filter(({ progress }) => progress.uploadComplete).map(({ id }) => id)
      if (isOver && done.length > 0) uppy.removeFiles(done)
    }, HAND_OVER_MS)
  }

  // ---- What is known

  function look(): void {
    const files = uppy.getFiles()
    count.value = files.length
    const next = chosenOf(files.filter(({ progress }) => !progress.uploadStarted))
    if (!isSameChoice(next, chosen.peek())) chosen.value = next
    board.look()
  }

  function fileOf(uploadId: string): PanelFile | undefined {
    return uppy.getFiles().find((file) => uploadIdIn(file) === uploadId && !file.progress.uploadComplete)
  }

  function tus(): Tus<Meta, TusBody> {
    const plugin = uppy.getPlugin('Tus')
    if (!(plugin instanceof Tus)) throw new Error('Uppy has no uploader.')
    return plugin
  }

  function close(): void {
    // First, as it would forget what it keeps along with what is taken out.
    const retriever = uppy.getPlugin('GoldenRetriever')
    if (retriever !== undefined) uppy.removePlugin(retriever)
    for (const { id } of uppy.getFiles()) dropped.add(id)
    board.close()
    tabs.close()
    uppy.destroy()
    element.remove()
  }

  return {
    ...{ element, count, chosen, refused, offers, failures: failures.all },
    focus: () => element.querySelector<HTMLElement>('.uppy-StatusBar-actionBtn--upload')?.focus(),
    ...{ add, goOn, retry, pause, resume, drop, close },
  }
}
