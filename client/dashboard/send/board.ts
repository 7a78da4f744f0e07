// What the page is told of this tab's uploads: gathered from Uppy's state, its events and the server's answers.

import { batch, type Signal } from '@preact/signals'
import type { Body, Meta, Uppy, UppyFile } from '@uppy/core'
import type { Antipasto } from '../../api/antipasto.js'
import { announce } from '../announcer.js'
import type { Session } from '../sign-in/session.js'
import type { Reports } from '../staged/reports.js'
import { formats, words } from '../words/words.js'
import type { LocalUpload, SendingTotal } from './local-uploads.js'
import { type BegunFile, localUploadOf, sameOr, totalOf } from './local-uploads.js'
import { quarterPassed } from './quarters.js'
import { Rate } from './rate.js'

const TICK_MS = 1_000
/**
 * The server writes down what arrived every five seconds, or 64 MiB, of a request. It is asked for its report then: a HEAD, as
 * tus has it, would make it let go of the request that is on its way.
 */
const ASK_MS = 3_000
/** What is smaller has arrived before one could read how much of it has. */
const LEAST_ASKED_BYTES = 8 * 1024 * 1024

export interface BoardOptions<M extends Meta, B extends Body> {
  uppy: Uppy<M, B>
  antipasto: Antipasto
  session: Session
  reports: Reports
  uploads: Signal<ReadonlyMap<string, LocalUpload>>
  total: Signal<SendingTotal | null>
  idOf(file: UppyFile<M, B>): string | null
  /** Of the request that stopped it. */
  requestIdOf(fileId: string): string | null
}

export interface Board {
  /** A request of the file goes, or there is none at the moment. */
  noteRequest(fileId: string, isActive: boolean): void
  /** No file has a request. */
  noteRest(): void
  noteAcknowledged(uploadId: string, bytes: number): void
  forget(fileId: string): void
  /** Uppy's state has changed. */
  look(): void
  close(): void
}

interface Track {
  isActive: boolean
  /** As the last progress of this request told; undefined: it hasn't told yet where it begins. */
  sentBytes: number | undefined
  movedBytes: number
  rate: Rate
}

export function createBoard<M extends Meta, B extends Body>(options: BoardOptions<M, B>): Board {
  const { uppy, antipasto, session, reports, uploads, total, idOf, requestIdOf } = options
  const tracks = new Map<string, Track>()
  const acknowledged = new Map<string, number>()
  const settled = new Set<string>()
  const all = new Rate()
  let allMovedBytes = 0
  let fraction = 0
  /** Files, since the last time that it was said. */
  let arrived = 0
  let isAsking = false

  const ticks = setInterval(() => {
    if (total.peek()?.isMoving) look()
  }, TICK_MS)
  const asks = setInterval(() => void ask(), ASK_MS)
  const stopLooking = session.key.subscribe(() => look())
  addEventListener('online', look)
  addEventListener('offline', look)

  uppy.on('upload-progress', (file, { bytesUploaded }) => {
    if (file === undefined) return
    const track = trackOf(file.id)
    const sentBytes = bytesUploaded || 0
    // Where it goes on isn't how fast it goes.
    const movedBytes = track.sentBytes === undefined ? 0 : Math.max(0, sentBytes - track.sentBytes)
    track.sentBytes = sentBytes
    track.movedBytes += movedBytes
    allMovedBytes += movedBytes
    const now = performance.now()
    track.rate.note(track.movedBytes, now)
    all.note(allMovedBytes, now)
  })

  uppy.on('upload-success', () => {
    arrived += 1
  })

  function trackOf(fileId: string): Track {
    const known = tracks.get(fileId)
    if (known !== undefined) return known
    const track = { isActive: false, sentBytes: undefined, movedBytes: 0, rate: new Rate() }
    tracks.set(fileId, track)
    return track
  }

  function noteRequest(fileId: string, isActive: boolean): void {
    const track = trackOf(fileId)
    track.isActive = isActive
    if (!isActive) rest(track)
  }

  function rest(track: Track): void {
    track.sentBytes = undefined
    track.rate.rest()
  }

  /** What is moving is asked for, so that one can see how much of it is safe. */
  async function ask(): Promise<void> {
    if (isAsking || session.key.peek() === null) return
    isAsking = true
    try {
      for (const [id, { presence, sizeBytes }] of uploads.peek()) {
        const isSending = presence === 'sending'
        // What stands still is asked for until nothing more of what was on the wire is written down.
        if (sizeBytes < LEAST_ASKED_BYTES || (!isSending && settled.has(id))) continue
        if (isSending) settled.delete(id)
        const mark = reports.mark()
        const report = await antipasto.uploads.report(id)
        reports.take(report, mark)
        if (!isSending && acknowledged.get(id) === report.offset) settled.add(id)
        noteAcknowledged(id, report.offset)
        look()
      }
    } catch {
      // Told where it matters: by the upload itself.
    } finally {
      isAsking = false
    }
  }

  function noteAcknowledged(uploadId: string, bytes: number): void {
    acknowledged.set(uploadId, Math.max(acknowledged.get(uploadId) ?? 0, bytes))
  }

  function begunOf(file: UppyFile<M, B>, uploadId: string | null): BegunFile {
    const track = trackOf(file.id)
    const known = uploadId === null ? undefined : reports.of(uploadId).peek()
    const acknowledgedBytes =
      uploadId === null ? 0 : Math.max(acknowledged.get(uploadId) ?? 0, known?.offset ?? 0)
    return {
      isPaused: file.isPaused ?? false,
      isComplete: file.progress.uploadComplete === true,
      trouble: file.error ?? null,
      requestId: requestIdOf(file.id),
      isActive: track.isActive,
      sizeBytes: file.size ?? 0,
      sentBytes: track.sentBytes ?? 0,
      acknowledgedBytes,
      bytesPerSecond: track.rate.bytesPerSecond(),
    }
  }

  function look(): void {
    const canSend = session.key.peek() !== null && navigator.onLine
    const before = uploads.peek()
    const next = new Map<string, LocalUpload>()
    const begun: BegunFile[] = []
    let isSame = true
    for (const file of uppy.getFiles()) {
      if (!file.progress.uploadStarted) continue
      const uploadId = idOf(file)
      const one = begunOf(file, uploadId)
      begun.push(one)
      if (uploadId === null || one.isComplete) continue
      const local = sameOr(before.get(uploadId), localUploadOf(one, canSend))
      isSame &&= local === before.get(uploadId)
      next.set(uploadId, local)
    }
    if (!begun.some(({ isComplete, isPaused, trouble }) => !isComplete && !isPaused && trouble === null))
      all.rest()
    const now = totalOf(begun, { canSend, bytesPerSecond: all.bytesPerSecond() })
    const last = total.peek()
    batch(() => {
      if (!isSame || next.size !== before.size) uploads.value = next
      if (now !== null || last !== null) total.value = now
    })
    tellOf(last, now)
  }

  function tellOf(last: SendingTotal | null, now: SendingTotal | null): void {
    if (now !== null) {
      if (last === null) {
        fraction = now.sizeBytes === 0 ? 0 : now.acknowledgedBytes / now.sizeBytes
        announce(words.send.begun(formats.count(now.files), now.files))
        return
      }
      const next = now.sizeBytes === 0 ? 0 : now.sentBytes / now.sizeBytes
      const quarter = quarterPassed(fraction, next)
      // One more file makes the way longer: a quarter isn't told twice for it.
      fraction = Math.max(fraction, next)
      if (quarter !== null) announce(words.send.quarter(formats.percent(quarter, 100)))
    } else if (last !== null && arrived > 0) {
      announce(words.send.done(formats.count(arrived), arrived))
      arrived = 0
    }
  }

  return {
    noteRequest,
    noteRest() {
      for (const track of tracks.values()) {
        track.isActive = false
        rest(track)
      }
    },
    noteAcknowledged,
    forget: (fileId) => tracks.delete(fileId),
    look,
    close() {
      clearInterval(ticks)
      clearInterval(asks)
      stopLooking()
      removeEventListener('online', look)
      removeEventListener('offline', look)
    },
  }
}
