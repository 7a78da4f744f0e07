// Sending: what may be sent, where files are dropped, and Uppy's panel once there are some.

import { useComputed } from '@preact/signals'
import { useEffect, useId, useRef } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { place } from '../place.js'
import { formats, words } from '../words/words.js'
import { DropArea } from './drop-area.js'
import { LabelField } from './label-field.js'
import { Checks, Failures, Offers, Refused, TooMuch } from './notes.js'
import { hasFiles, pickFrom } from './picked.js'
import { excessOf, roomOf } from './room.js'
import { SafeLine } from './safe-line.js'
import type { Sending } from './sending.js'
import type { Uploader } from './uploader.js'
import './send.css'

export function SendView() {
  const { me, sending } = useDesk()
  const titleId = useId()
  useDropsOnPage(sending)
  const uploader = sending.uploader.value
  const now = me.now.value
  const mayUpload = now === null || now.scopes.includes('upload')
  const isEmpty = uploader === null || uploader.count.value === 0
  if (!mayUpload && isEmpty) return <p class="note send-note">{words.send.mayNot}</p>
  return (
    <section class="send card" aria-labelledby={titleId}>
      <div class="card-head">
        <h2 id={titleId}>{words.send.title}</h2>
        <Limits />
      </div>
      {sending.loading.value === 'failed' && (
        <p class="note failure" role="alert">
          {words.send.notLoaded}
        </p>
      )}
      <Checks />
      {uploader !== null && (
        <>
          <Refused uploader={uploader} />
          <TooMuch uploader={uploader} />
          <Offers uploader={uploader} />
          <Failures uploader={uploader} />
        </>
      )}
      <LabelField />
      {isEmpty && <DropArea />}
      {uploader !== null && <Panel uploader={uploader} isShown={!isEmpty} />}
      <SafeLine />
    </section>
  )
}

function Limits() {
  const now = useDesk().me.now.value
  if (now === null) return null
  const { fileBytes, freeBytes, freeFiles } = roomOf(now)
  const limits = [words.send.largest(formats.bytes(fileBytes))]
  if (freeBytes !== null) limits.push(words.send.freeBytes(formats.bytes(freeBytes)))
  if (freeFiles !== null) limits.push(words.send.freeFiles(formats.count(freeFiles), freeFiles))
  return (
    <ul class="send-limits" aria-label={words.send.limits}>
      {limits.map((limit) => (
        <li key={limit}>{limit}</li>
      ))}
    </ul>
  )
}

/** Uppy draws its panel by itself; here it has its place. */
function Panel({ uploader, isShown }: { uploader: Uploader; isShown: boolean }) {
  const host = useRef<HTMLDivElement>(null)
  const { me } = useDesk()
  const canSend = useComputed(() => {
    const now = me.now.value
    return now === null || excessOf(uploader.chosen.value, roomOf(now)) === null
  })
  useEffect(() => {
    host.current?.replaceChildren(uploader.element)
  }, [uploader])
  useEffect(() => {
    if (!isShown) return
    // Whoever chose files by a button that is gone now goes on at the one that sends them.
    const isFocusLost = document.activeElement === null || document.activeElement === document.body
    if (isFocusLost) requestAnimationFrame(() => uploader.focus())
  }, [uploader, isShown])
  return <div ref={host} class="send-host" hidden={!isShown} data-can-send={canSend.value} />
}

/** Files may be dropped anywhere on the page; without this the browser would leave it, and open the file. */
function useDropsOnPage(sending: Sending): void {
  useEffect(() => {
    const ended = new AbortController()
    const until = { signal: ended.signal }
    addEventListener(
      'dragenter',
      (event) => {
        if (hasFiles(event.dataTransfer)) sending.prepare()
      },
      until,
    )
    addEventListener(
      'dragover',
      (event) => {
        if (event.defaultPrevented || !hasFiles(event.dataTransfer)) return
        event.preventDefault()
        if (event.dataTransfer !== null) event.dataTransfer.dropEffect = isOnShow() ? 'copy' : 'none'
      },
      until,
    )
    addEventListener(
      'drop',
      (event) => {
        if (event.defaultPrevented || event.dataTransfer === null || !hasFiles(event.dataTransfer)) return
        event.preventDefault()
        if (isOnShow()) void pickFrom(event.dataTransfer).then((pick) => sending.add(pick))
      },
      until,
    )
    addEventListener(
      'paste',
      (event) => {
        const { clipboardData, target } = event
        const isText = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement
        // Uppy takes what is pasted while the focus is in its panel.
        const isUppys = document.activeElement?.closest('.send-panel') != null
        if (event.defaultPrevented || isText || isUppys || clipboardData === null || !hasFiles(clipboardData))
          return
        event.preventDefault()
        if (isOnShow()) void pickFrom(clipboardData).then((pick) => sending.add(pick))
      },
      until,
    )
    return () => ended.abort()
  }, [sending])
}

function isOnShow(): boolean {
  return place.peek().view === 'files'
}
