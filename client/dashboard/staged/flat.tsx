// All uploads that are wished for, in one list.

import { effect } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { useMedia } from '../parts/media.js'
import { Trouble } from '../parts/trouble.js'
import { Windowed, type WindowedRow } from '../parts/windowed.js'
import { words } from '../words/words.js'
import { focusTitle, NoFiles } from './empty.js'
import { ListFeed } from './list-feed.js'
import { useNewAbove } from './new-above.js'
import type { Reasons } from './reasons.js'
import { UploadRow } from './row.js'
import { NARROW_QUERY, rowHeightPx } from './row-heights.js'
import { filtersOf, hashOf } from './wish.js'
import { wish } from './wish-place.js'

export function FlatList({ reasons }: { reasons: Reasons }) {
  const desk = useDesk()
  const wished = hashOf(wish.value)
  const feed = useMemo(() => {
    const { antipasto, reports, live, sending } = desk
    const isOurs = (id: string) => sending.uploads.peek().has(id)
    return new ListFeed({ antipasto, reports, live, filters: filtersOf(wish.peek()), isOurs })
  }, [desk, wished])
  useEffect(() => {
    void feed.loadMore()
    return () => feed.close()
  }, [feed])

  const listing = feed.listing.value
  const isLoaded = listing.knownTo !== 'start'
  const narrow = useMedia(NARROW_QUERY)
  const [reasonIds, troubles] = [reasons.ids.value, reasons.troubles.value]
  const rows = useMemo(
    (): WindowedRow[] =>
      listing.entries.map(({ id }) => ({
        key: id,
        heightPx: rowHeightPx(
          { kind: 'file', hasReason: reasonIds.has(id), hasTrouble: troubles.has(id) },
          narrow,
        ),
      })),
    [listing.entries, reasonIds, troubles, narrow],
  )
  // Until the answer to another wish is there, what was found before stays: an empty list for a moment is only unrest.
  const before = useRef(rows)
  if (isLoaded) before.current = rows
  const shown = isLoaded ? rows : before.current
  const render = useMemo(
    () =>
      ({ key }: WindowedRow) => <UploadRow id={key} reasons={reasons} isInGroup={false} />,
    [reasons],
  )
  const above = useNewAbove()
  useEffect(() => above.clear(), [feed])
  // What is in view may have changed though the window's place hasn't.
  const seen = useRef({ first: 0, end: 0 })
  const show = () => feed.show(shown.slice(seen.current.first, seen.current.end).map(({ key }) => key))
  useEffect(show, [shown, feed])
  useEffect(
    () =>
      effect(() => {
        if (feed.isLoading.value) return
        // A page that was shorter than the window is followed by the next.
        if (feed.trouble.value === null && seen.current.end >= feed.listing.value.entries.length)
          void feed.loadMore()
      }),
    [feed],
  )

  if (feed.trouble.value !== null && !isLoaded) {
    return (
      <Trouble
        error={feed.trouble.value}
        what={words.staged.notLoaded}
        onRetry={() => void feed.loadMore()}
      />
    )
  }
  if (!isLoaded && shown.length === 0) return <p class="loading">{words.common.loading}</p>
  if (isLoaded && shown.length === 0) return <NoFiles />
  return (
    <div aria-busy={!isLoaded} class="staged-list">
      {above.button}
      <Windowed
        rows={shown}
        label={words.staged.title}
        isWhole={listing.knownTo === 'end'}
        render={render}
        onFocusLost={focusTitle}
        onView={(first, end) => {
          seen.current = { first, end }
          if (first === 0) above.clear()
          show()
        }}
        onCameAbove={above.add}
        onNearEnd={() => {
          if (isLoaded && feed.trouble.peek() === null) void feed.loadMore()
        }}
      />
      {isLoaded && feed.isLoading.value && <p class="loading">{words.common.loading}</p>}
      {feed.trouble.value !== null && (
        <Trouble
          error={feed.trouble.value}
          what={words.staged.moreNotLoaded}
          onRetry={() => void feed.loadMore()}
        />
      )}
    </div>
  )
}
