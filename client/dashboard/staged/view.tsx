// Everything staged: searched, filtered, sorted, by package or in one list; it follows what happens by itself.

import { useComputed } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { Empty } from '../parts/empty.js'
import { Trouble } from '../parts/trouble.js'
import { may } from '../sign-in/rights.js'
import { words } from '../words/words.js'
import { FlatList } from './flat.js'
import { GroupedList } from './grouped.js'
import { isGrouped } from './grouping.js'
import { PackageFeed } from './package-feed.js'
import { createReasons } from './reasons.js'
import { Toolbar } from './toolbar.js'
import { wish } from './wish-place.js'
import './staged.css'

export function StagedView() {
  const { me } = useDesk()
  return (
    <section class="card staged" aria-labelledby="staged-title">
      <h2 id="staged-title" tabIndex={-1}>
        {words.staged.title}
      </h2>
      {may(me.now.value, 'read') ? <Lists /> : <NoRead />}
    </section>
  )
}

function Lists() {
  const { antipasto, live, reports, sending } = useDesk()
  const packages = useMemo(() => new PackageFeed(antipasto, live), [antipasto, live])
  const reasons = useMemo(() => createReasons(reports, sending), [reports, sending])
  useEffect(() => {
    void packages.load()
    return () => {
      packages.close()
      reasons.close()
    }
  }, [packages, reasons])
  const labels = useComputed(() => labelsOf(packages)).value

  if (live.refusal.value !== null) return <Trouble error={live.refusal.value} what={words.staged.notLoaded} />
  // What is searched for may be in any package, and is seen best in one list.
  const isSearch = wish.value.text !== '' || wish.value.state !== null
  return (
    <>
      <Toolbar labels={labels} />
      {isGrouped.value && isSearch && <p class="hint staged-hint">{words.staged.acrossPackages}</p>}
      <button
        type="button"
        class="skip-list"
        onClick={() => document.querySelector<HTMLElement>('#staged-end')?.focus()}
      >
        {words.staged.skipList}
      </button>
      {isGrouped.value && !isSearch ? (
        <GroupedList reasons={reasons} packages={packages} />
      ) : (
        <FlatList reasons={reasons} />
      )}
      <p id="staged-end" class="visually-hidden" tabIndex={-1}>
        {words.staged.listEnd}
      </p>
    </>
  )
}

/** Of the packages there are, each once, in the order of the alphabet. */
function labelsOf(packages: PackageFeed): readonly string[] {
  const labels = (packages.packages.value ?? []).flatMap(({ label }) => (label === null ? [] : [label]))
  return [...new Set(labels)].sort((one, other) => one.localeCompare(other))
}

function NoRead() {
  return (
    <Empty icon="lock" title={words.staged.noRead}>
      <p>{words.signIn.lacks.read}</p>
    </Empty>
  )
}
