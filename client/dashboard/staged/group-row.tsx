// A package's row above its files, or that of what is in no package.

import type { PackageSummary } from '../../api/types.js'
import { Badge } from '../parts/badge.js'
import { Icon } from '../parts/icon.js'
import { TimeLeft } from '../parts/measures.js'
import { hrefOf } from '../route.js'
import { formats, words } from '../words/words.js'
import { leaveFrom } from './return.js'

interface GroupRowProps {
  rowKey: string
  /** Null: what is in no package. */
  group: PackageSummary | null
  isOpen: boolean
  /** How many files there are; null while that isn't known. */
  looseCount: number | null
  onToggle: () => void
}

export function GroupRow({ rowKey, group, isOpen, looseCount, onToggle }: GroupRowProps) {
  const name = group?.name ?? words.staged.loose
  return (
    <div class="staged-group" data-group={group?.id ?? 'none'}>
      <h3>
        <button
          type="button"
          class="staged-toggle"
          aria-expanded={isOpen}
          aria-label={words.staged.filesOfGroup(name)}
          title={name}
          data-row-focus
          onClick={onToggle}
        >
          <Icon name="chevron" />
          <Icon name={group === null ? 'file' : 'package'} />
          <span dir="auto">{name}</span>
        </button>
      </h3>
      {group === null ? <LooseFacts count={looseCount} /> : <Facts group={group} rowKey={rowKey} />}
    </div>
  )
}

function LooseFacts({ count }: { count: number | null }) {
  return (
    <p class="staged-group-facts">
      <span>{count === null ? words.staged.looseHint : words.staged.files(formats.count(count), count)}</span>
    </p>
  )
}

function Facts({ group, rowKey }: { group: PackageSummary; rowKey: string }) {
  const { counts, state, label, name } = group
  return (
    <>
      <p class="staged-group-facts">
        <Badge tone={state === 'finalized' ? 'good' : 'plain'}>{words.state[state]}</Badge>
        <span class="number" title={formats.exactBytes(counts.bytes)}>
          {words.staged.groupCounts(
            words.staged.files(formats.count(counts.total), counts.total),
            formats.bytes(counts.bytes),
          )}
        </span>
        {counts.unfinished > 0 && (
          <Badge tone="busy">{words.staged.groupUnfinished(formats.count(counts.unfinished))}</Badge>
        )}
        {counts.failed > 0 && (
          <Badge tone="bad">{words.staged.groupFailed(formats.count(counts.failed))}</Badge>
        )}
        {label !== null && label !== name && (
          <span class="staged-folder" dir="auto">
            {label}
          </span>
        )}
        <span class="staged-group-end">
          <TimeLeft at={group.expires_at} />
        </span>
      </p>
      <a
        class="button"
        href={hrefOf({ view: 'package', id: group.id })}
        aria-label={words.staged.openPackageOf(name)}
        onClick={() => leaveFrom(rowKey)}
      >
        {words.staged.openPackage}
      </a>
    </>
  )
}
