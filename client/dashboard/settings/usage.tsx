import { useId } from 'preact/hooks'
import type { Me } from '../../api/types.js'
import { Bytes } from '../parts/measures.js'
import { formats, words } from '../words/words.js'
import { Section } from './section.js'
import { fillOf } from './usage-share.js'

export function UsageSection({ me: { usage, limits } }: { me: Me }) {
  return (
    <Section title={words.settings.usage}>
      <div class="meters">
        <Share label={words.settings.space} used={usage.bytes} limit={limits.bytes} isBytes />
        <Share label={words.settings.files} used={usage.files} limit={limits.files} />
        <Share label={words.settings.openUploads} used={usage.open_uploads} limit={limits.open_uploads} />
      </div>
      <p class="hint">
        {words.settings.largestFile} <Bytes value={limits.file_bytes} />.{' '}
        {limits.rate !== null &&
          words.settings.rate(
            formats.count(limits.rate.requests),
            formats.duration(limits.rate.window_seconds),
          )}
      </p>
    </Section>
  )
}

interface ShareProps {
  label: string
  used: number
  limit: number | null
  isBytes?: boolean
}

function Share({ label, used, limit, isBytes = false }: ShareProps) {
  const id = useId()
  const fill = fillOf(used, limit)
  const amount = (value: number) => (isBytes ? <Bytes value={value} /> : formats.count(value))
  return (
    <div class="share">
      <p class="share-words">
        <span id={id}>{label}</span>
        <span class="number">
          {amount(used)}
          {limit === null ? (
            <span class="share-limit"> {words.settings.unlimited}</span>
          ) : (
            <span class="share-limit">
              {' '}
              {words.settings.of} {amount(limit)}
            </span>
          )}
        </span>
      </p>
      {limit !== null && (
        <meter
          min={0}
          max={Math.max(limit, 1)}
          value={limit === 0 ? 1 : used}
          data-fill={fill}
          aria-labelledby={id}
        >
          {formats.percent(used, limit)}
        </meter>
      )}
      {fill === 'full' && <p class="hint bad">{words.settings.full}</p>}
    </div>
  )
}
