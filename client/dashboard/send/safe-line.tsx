// "Your bytes are safe up to here": what the server has of all that this tab sends, how fast it goes, and how long it takes.

import { useDesk } from '../desk.js'
import { formats, words } from '../words/words.js'
import type { LocalUpload, SendingTotal } from './local-uploads.js'

export function SafeLine() {
  const { sending, session } = useDesk()
  const total = sending.total.value
  if (total === null) return null
  return (
    <p class="safe-line">
      <span class="safe-bytes" title={formats.exactBytes(total.acknowledgedBytes)}>
        {words.send.safe(formats.bytes(total.acknowledgedBytes), formats.bytes(total.sizeBytes))}
      </span>
      <span class="safe-pace">
        {paceWords(total, [...sending.uploads.value.values()], session.key.value !== null)}
      </span>
    </p>
  )
}

function paceWords(total: SendingTotal, uploads: readonly LocalUpload[], isSignedIn: boolean): string {
  if (!isSignedIn) return words.send.waitsForKey
  if (!total.isMoving) {
    return uploads.some(({ presence }) => presence === 'paused') ? words.send.paused : words.send.stopped
  }
  const isWaiting = uploads.length > 0 && uploads.every(({ presence }) => presence !== 'sending')
  if (isWaiting) return words.send.waits
  if (total.bytesPerSecond === null) return ''
  const rate = formats.rate(total.bytesPerSecond)
  if (total.secondsLeft === null) return rate
  return `${rate} · ${words.send.left(formats.duration(total.secondsLeft))}`
}
