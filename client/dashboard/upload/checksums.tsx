// The three checksums, and whether a file on this computer has the same.

import type { Report } from '../../api/types.js'
import { CopyButton } from '../parts/copy-button.js'
import { Icon } from '../parts/icon.js'
import { words } from '../words/words.js'
import { ALGORITHM_NAMES, ALGORITHMS, type Comparison } from './comparison.js'
import { DigestValue } from './digest-value.js'
import { useVerification } from './verification.js'
import { Verify } from './verify.js'

export function Checksums({ report }: { report: Report }) {
  const { checksums, declared_checksums: declared } = report
  const verification = useVerification(report)
  const { value: state } = verification.state
  const comparison = state.kind === 'compared' ? state.comparison : null
  const wereDeclared = ALGORITHMS.filter((algorithm) => declared[algorithm] !== null)
  return (
    <section class="card">
      <h2>{words.upload.checksums}</h2>
      {checksums === null ? (
        // An event told that it is ready; the rest comes in a moment.
        <p class="loading">{words.common.loading}</p>
      ) : (
        <>
          <dl class="upload-digests">
            {ALGORITHMS.map((algorithm) => (
              <div key={algorithm} class="upload-digest">
                <dt>
                  {ALGORITHM_NAMES[algorithm]}
                  <Mark comparison={comparison} algorithm={algorithm} />
                </dt>
                <dd>
                  <DigestValue digest={checksums[algorithm]} />
                  <CopyButton text={checksums[algorithm]} what={ALGORITHM_NAMES[algorithm]} />
                </dd>
              </div>
            ))}
          </dl>
          {wereDeclared.length > 0 && (
            <p class="hint">
              {words.upload.wereDeclared(
                wereDeclared.map((algorithm) => ALGORITHM_NAMES[algorithm]).join(', '),
              )}
            </p>
          )}
          <Verify report={report} verification={verification} />
        </>
      )}
    </section>
  )
}

interface MarkProps {
  comparison: Comparison | null
  algorithm: (typeof ALGORITHMS)[number]
}

/** What the comparison said of this one. */
function Mark({ comparison, algorithm }: MarkProps) {
  if (comparison === null || comparison.kind === 'size') return null
  const isEqual = comparison.kind === 'equal' || !comparison.differing.includes(algorithm)
  return (
    <span class="upload-mark" data-tone={isEqual ? 'good' : 'bad'}>
      <Icon name={isEqual ? 'check' : 'close'} />
      {isEqual ? words.upload.same : words.upload.differs}
    </span>
  )
}
