// What is to be said of files before and after they are sent: refused ones, too many, begun before, compared, stopped.

import { useId } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { Icon } from '../parts/icon.js'
import { Progress } from '../parts/progress.js'
import { Trouble } from '../parts/trouble.js'
import { formats, words } from '../words/words.js'
import { type Excess, excessOf, roomOf } from './room.js'
import type { Uploader } from './uploader.js'

/** More of the same nobody reads. */
const MOST_SHOWN = 5

/** Sentences about files that weren't added. */
export function Refused({ uploader }: { uploader: Uploader }) {
  const { refused } = uploader
  const sentences = refused.value
  if (sentences.length === 0) return null
  const more = sentences.length - MOST_SHOWN
  return (
    <div class="note failure send-note" role="alert">
      <div>
        {sentences.slice(0, MOST_SHOWN).map((sentence) => (
          <p key={sentence} dir="auto">
            {sentence}
          </p>
        ))}
        {more > 0 && <p>{words.send.more(formats.count(more), more)}</p>}
      </div>
      <button
        type="button"
        class="icon-button"
        aria-label={words.common.close}
        onClick={() => {
          refused.value = []
        }}
      >
        <Icon name="close" />
      </button>
    </div>
  )
}

/** Why what was chosen can't be sent as it is; the button to send it isn't there then. */
export function TooMuch({ uploader }: { uploader: Uploader }) {
  const me = useDesk().me.now.value
  const excess = me === null ? null : excessOf(uploader.chosen.value, roomOf(me))
  if (excess === null) return null
  return (
    <p class="note failure send-note" role="alert">
      {excessWords(excess)}
    </p>
  )
}

function excessWords(excess: Excess): string {
  if (excess.kind === 'bytes') {
    return words.send.overBytes(formats.bytes(excess.chosenBytes), formats.bytes(excess.freeBytes))
  }
  const { chosenFiles, freeFiles } = excess
  return words.send.overFiles(formats.count(chosenFiles), chosenFiles, formats.count(freeFiles))
}

/** Files that can go on rather than begin anew. */
export function Offers({ uploader }: { uploader: Uploader }) {
  const id = useId()
  const offers = uploader.offers.all.value
  if (offers.length === 0) return null
  const more = offers.length - MOST_SHOWN
  return (
    <div class="note send-offers">
      <label for={id}>
        <input
          id={id}
          type="checkbox"
          checked={uploader.offers.isTaking.value}
          aria-describedby={`${id}-hint`}
          onChange={({ currentTarget }) => {
            uploader.offers.isTaking.value = currentTarget.checked
          }}
        />
        {words.send.begunBefore(formats.count(offers.length), offers.length)}
      </label>
      <ul>
        {offers.slice(0, MOST_SHOWN).map(({ fileId, report }) => (
          <li key={fileId} dir="auto">
            {words.send.begunName(
              report.relative_path ?? report.filename ?? words.send.unnamed,
              formats.percent(report.offset, report.size ?? report.offset),
            )}
          </li>
        ))}
        {more > 0 && <li>{words.send.more(formats.count(more), more)}</li>}
      </ul>
      <p class="hint" id={`${id}-hint`}>
        {words.send.begunBeforeHint}
      </p>
    </div>
  )
}

/** Files that were given again, while they are compared. */
export function Checks() {
  const checks = [...useDesk().sending.checks.value]
  if (checks.length === 0) return null
  return (
    <ul class="send-checks" aria-label={words.send.checking}>
      {checks.map(([id, { name, doneBytes, ofBytes, cancel }]) => (
        <li key={id} class="note">
          <span class="send-check-name" dir="auto">
            {name}
          </span>
          <span>{words.send.comparing(formats.percent(doneBytes, ofBytes || 1))}</span>
          <Progress part={doneBytes} whole={ofBytes || null} label={words.send.comparingOf(name)} />
          <button type="button" class="quiet" onClick={cancel}>
            {words.common.cancel}
          </button>
        </li>
      ))}
    </ul>
  )
}

/** Files that stopped, and why: Uppy itself shows it only when one points at a "?". */
export function Failures({ uploader }: { uploader: Uploader }) {
  const failures = uploader.failures.value
  if (failures.length === 0) return null
  const more = failures.length - MOST_SHOWN
  return (
    <section class="send-failures" aria-label={words.send.failures}>
      {failures.slice(0, MOST_SHOWN).map(({ fileId, name, error }) => (
        <Trouble
          key={fileId}
          error={error}
          what={words.send.notSent(name)}
          onRetry={() => uploader.retry(fileId)}
        />
      ))}
      {more > 0 && <p class="note failure">{words.send.more(formats.count(more), more)}</p>}
    </section>
  )
}
