// What an upload is: its size, its type, where it belongs, since when.

import type { ComponentChildren } from 'preact'
import type { Report } from '../../api/types.js'
import { CopyButton } from '../parts/copy-button.js'
import { Age, Moment } from '../parts/measures.js'
import { hrefOf } from '../route.js'
import { formats, words } from '../words/words.js'
import { DigestValue } from './digest-value.js'
import { usePackageOf } from './package-of.js'

export function Facts({ report }: { report: Report }) {
  const { size, content_type: type, key, created_at: createdAt, finished_at: finishedAt, id, state } = report
  return (
    <section class="card">
      <h2>{words.upload.facts}</h2>
      <dl class="upload-facts">
        <Fact name={words.upload.size}>
          {size === null ? (
            words.upload.sizeUnknown
          ) : (
            <>
              {formats.bytes(size)}
              {size >= 1_024 && <span class="soft number">{formats.exactBytes(size)}</span>}
            </>
          )}
        </Fact>
        {type !== null && (
          <Fact name={words.upload.type}>
            <span dir="auto">{type}</span>
          </Fact>
        )}
        <PackageFact report={report} />
        {key !== null && (
          <Fact name={words.upload.key}>
            <span dir="auto">{key}</span>
          </Fact>
        )}
        <Fact name={words.upload.begun}>
          <Moment at={createdAt} />
          <span class="soft">
            <Age at={createdAt} />
          </span>
        </Fact>
        {finishedAt !== null && (state === 'ready' || state === 'failed') && (
          <Fact name={words.upload.finished}>
            <Moment at={finishedAt} />
          </Fact>
        )}
        <Fact name={words.upload.id}>
          <DigestValue digest={id} />
          <CopyButton text={id} what={words.upload.id} />
        </Fact>
      </dl>
    </section>
  )
}

function PackageFact({ report: { package_id: packageId, label } }: { report: Report }) {
  const found = usePackageOf(packageId)
  if (packageId === null) {
    return label === null ? null : (
      <Fact name={words.upload.label}>
        <span dir="auto">{label}</span>
      </Fact>
    )
  }
  const name = found?.name ?? label ?? words.upload.thePackage
  return (
    <>
      <Fact name={words.upload.package}>
        <a href={hrefOf({ view: 'package', id: packageId })} dir="auto">
          {name}
        </a>
      </Fact>
      {label !== null && label !== name && (
        <Fact name={words.upload.label}>
          <span dir="auto">{label}</span>
        </Fact>
      )}
    </>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
