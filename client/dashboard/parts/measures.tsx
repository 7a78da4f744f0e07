// Sizes and times in words, with what they are exactly for whoever points at them.

import { nowMs } from '../clock.js'
import { formats, words } from '../words/words.js'

/** "57.2 MB" */
export function Bytes({ value }: { value: number }) {
  return (
    <data value={String(value)} title={formats.exactBytes(value)}>
      {formats.bytes(value)}
    </data>
  )
}

/** "30 Nov 2026, 14:05 CET" */
export function Moment({ at }: { at: string }) {
  return <time dateTime={at}>{formats.moment(new Date(at))}</time>
}

/** "3 hours ago", with the moment; it goes on by itself. */
export function Age({ at }: { at: string }) {
  const date = new Date(at)
  return (
    <time dateTime={at} title={formats.moment(date)}>
      {formats.ago((nowMs.value - date.getTime()) / 1_000)}
    </time>
  )
}

/** "Ends in 29 days", with the moment; it counts down by itself. Null: never. */
export function TimeLeft({ at }: { at: string | null }) {
  if (at === null) return <span>{words.common.neverExpires}</span>
  const date = new Date(at)
  const seconds = (date.getTime() - nowMs.value) / 1_000
  return (
    <time dateTime={at} title={formats.moment(date)} data-soon={seconds < 3 * 86_400 ? '' : undefined}>
      {seconds <= 0 ? words.common.ended : words.common.expires(formats.timeLeft(seconds))}
    </time>
  )
}
