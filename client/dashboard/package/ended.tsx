import { Gone, type NotFound } from '../../api/errors.js'
import { Empty } from '../parts/empty.js'
import { hrefOf } from '../route.js'
import { words } from '../words/words.js'

/** In place of a package that isn't there, or not any more. */
export function Ended({ error, id }: { error: Gone | NotFound; id: string }) {
  const isGone = error instanceof Gone
  const ending = error.details?.state === 'deleted' ? words.package.deleted : words.package.expired
  return (
    <div class="card">
      <Empty icon="package" title={isGone ? ending : words.package.notFound}>
        <p>{isGone ? words.package.endedWhy : words.package.notFoundWhy}</p>
        <code class="ended-id">{id}</code>
        <a class="button" href={hrefOf({ view: 'files' })}>
          {words.common.toFiles}
        </a>
      </Empty>
    </div>
  )
}
