import { useEffect, useMemo, useRef } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { useSubject } from '../frame/title.js'
import { Badge } from '../parts/badge.js'
import { Icon } from '../parts/icon.js'
import { Trouble } from '../parts/trouble.js'
import { hrefOf } from '../route.js'
import { words } from '../words/words.js'
import { DeletePackage } from './delete.js'
import { Eml } from './eml.js'
import { Ended } from './ended.js'
import { ExtendPackage } from './extend.js'
import { Facts } from './facts.js'
import { Files } from './files.js'
import { Finalize } from './finalize.js'
import { isEnd, OpenedPackage } from './opened.js'
import { rightsOver } from './rights.js'
import './package.css'

export function PackageView({ id }: { id: string }) {
  const desk = useDesk()
  const opened = useMemo(() => new OpenedPackage(id, desk), [id, desk])
  useEffect(() => opened.open(), [opened])

  const report = opened.report.value
  const trouble = opened.trouble.value
  const hasEnded = isEnd(trouble)
  useSubject(report?.name ?? null)

  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    // What had the focus may have gone with the package.
    if (hasEnded && document.activeElement === document.body) heading.current?.focus()
  }, [hasEnded])

  const rights = report === null ? null : rightsOver(report, desk.me.now.value)
  return (
    <article class="package" aria-busy={report === null && trouble === null}>
      <a class="back" href={hrefOf({ view: 'files' })}>
        <Icon name="back" />
        {words.common.toFiles}
      </a>
      <header class="view-head">
        <h1 ref={heading} tabIndex={-1}>
          <bdi>{report?.name ?? words.package.untitled}</bdi>
        </h1>
        {report !== null && !hasEnded && (
          <Badge tone={report.state === 'finalized' ? 'good' : 'plain'}>{words.state[report.state]}</Badge>
        )}
      </header>
      {hasEnded && <Ended error={trouble} id={id} />}
      {!hasEnded && trouble !== null && <Trouble error={trouble} onRetry={() => opened.refresh()} />}
      {report === null && trouble === null && <p class="loading">{words.package.loading}</p>}
      {report !== null && rights !== null && !hasEnded && (
        <>
          <Facts report={report} isOwn={rights.isOwn}>
            {rights.mayExtend && report.expires_at !== null && (
              <ExtendPackage opened={opened} report={report} endsAt={report.expires_at} />
            )}
            {rights.mayDelete && <DeletePackage opened={opened} report={report} />}
          </Facts>
          <Finalize opened={opened} report={report} mayFinalize={rights.mayFinalize} />
          <Eml opened={opened} report={report} />
          <Files opened={opened} report={report} />
        </>
      )}
    </article>
  )
}
