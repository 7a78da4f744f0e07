// The uploads by package: each a group that opens and closes, all of them and their files in one windowed list.

import { effect, useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { useMedia } from '../parts/media.js'
import { Trouble } from '../parts/trouble.js'
import { Windowed, type WindowedRow } from '../parts/windowed.js'
import { words } from '../words/words.js'
import { focusTitle, NoFiles } from './empty.js'
import { GroupRow } from './group-row.js'
import { GroupedFeed } from './grouped-feed.js'
import type { GroupedRow, GroupKey } from './groups.js'
import { useNewAbove } from './new-above.js'
import { NO_PACKAGE } from './order.js'
import type { PackageFeed } from './package-feed.js'
import type { Reasons } from './reasons.js'
import { UploadRow } from './row.js'
import { NARROW_QUERY, rowHeightPx } from './row-heights.js'
import { filtersOf, hashOf } from './wish.js'
import { wish } from './wish-place.js'

interface GroupedListProps {
  reasons: Reasons
  packages: PackageFeed
}

type Row = GroupedRow & WindowedRow

export function GroupedList({ reasons, packages }: GroupedListProps) {
  const desk = useDesk()
  const toggled = useSignal<ReadonlyMap<GroupKey, boolean>>(new Map())
  const wished = hashOf(wish.value)
  const feed = useMemo(
    () => new GroupedFeed({ desk, packages, filters: filtersOf(wish.peek()), toggled }),
    [desk, packages, toggled, wished],
  )
  useEffect(() => {
    feed.begin()
    return () => feed.close()
  }, [feed])
  useEffect(
    () =>
      effect(() => {
        if (feed.rows.value !== null) feed.openFirst()
      }),
    [feed],
  )

  const grouped = feed.rows.value
  const narrow = useMedia(NARROW_QUERY)
  const [reasonIds, troubles] = [reasons.ids.value, reasons.troubles.value]
  const rows = useMemo(
    () =>
      grouped?.map((row): Row => {
        const room = {
          kind: row.kind,
          hasReason: row.kind === 'file' && reasonIds.has(row.id),
          hasTrouble:
            row.kind === 'file' ? troubles.has(row.id) : row.kind === 'note' && row.note === 'trouble',
        }
        return { ...row, heightPx: rowHeightPx(room, narrow) }
      }),
    [grouped, reasonIds, troubles, narrow],
  )
  // Until the answer to another wish is there, what was found before stays: an empty list for a moment is only unrest.
  const before = useRef<readonly Row[]>([])
  if (rows !== undefined) before.current = rows
  const shown = rows ?? before.current
  const render = useMemo(
    () => (row: Row) => <GroupedItem row={row} feed={feed} packages={packages} reasons={reasons} />,
    [feed, packages, reasons],
  )
  const above = useNewAbove()
  useEffect(() => above.clear(), [feed])
  // What is in view may have changed though the window's place hasn't.
  const seen = useRef({ first: 0, end: 0 })
  const show = () => feed.show(shown, seen.current.first, seen.current.end)
  useEffect(show, [shown, feed])

  if (packages.trouble.value !== null && packages.packages.value === null) {
    return (
      <Trouble
        error={packages.trouble.value}
        what={words.staged.notLoaded}
        onRetry={() => void packages.load()}
      />
    )
  }
  const looseTrouble = feed.troubleOf(NO_PACKAGE)
  if (rows === undefined && looseTrouble !== null) {
    return (
      <Trouble error={looseTrouble} what={words.staged.notLoaded} onRetry={() => feed.retry(NO_PACKAGE)} />
    )
  }
  if (rows === undefined && shown.length === 0) return <p class="loading">{words.common.loading}</p>
  if (shown.length === 0) return <NoFiles />
  return (
    <div aria-busy={rows === undefined} class="staged-list">
      {above.button}
      <Windowed
        rows={shown}
        label={words.staged.title}
        isWhole={feed.isWhole.value}
        render={render}
        onFocusLost={focusTitle}
        onView={(first, end) => {
          seen.current = { first, end }
          if (first === 0) above.clear()
          show()
        }}
        onCameAbove={(keys) => {
          const files = keys.filter((key) => desk.reports.of(key).peek() !== undefined)
          if (files.length > 0) above.add(files)
        }}
      />
      {packages.packages.value?.length === 0 && <p class="hint staged-hint">{words.staged.noPackages}</p>}
    </div>
  )
}

interface GroupedItemProps {
  row: Row
  feed: GroupedFeed
  packages: PackageFeed
  reasons: Reasons
}

function GroupedItem({ row, feed, packages, reasons }: GroupedItemProps) {
  switch (row.kind) {
    case 'file':
      return <UploadRow id={row.id} reasons={reasons} isInGroup />
    case 'group':
      return (
        <GroupRow
          rowKey={row.key}
          group={packages.packages.value?.find(({ id }) => id === row.group) ?? null}
          isOpen={row.isOpen}
          looseCount={row.group === NO_PACKAGE ? feed.looseCount() : null}
          onToggle={() => feed.toggle(row.group, !row.isOpen)}
        />
      )
    case 'note':
      if (row.note === 'loading') return <p class="staged-note">{words.common.loading}</p>
      if (row.note === 'empty') return <p class="staged-note">{words.staged.emptyGroup}</p>
      return (
        <div class="staged-trouble">
          <Trouble
            error={feed.troubleOf(row.group)}
            what={words.staged.moreNotLoaded}
            onRetry={() => feed.retry(row.group)}
          />
        </div>
      )
  }
}
