// Where a local file is dropped or chosen to be compared, and what came of it.

import { useSignal } from '@preact/signals'
import type { TargetedDragEvent } from 'preact'
import { useRef } from 'preact/hooks'
import { LocalFileFailed } from '../../api/errors.js'
import type { Report } from '../../api/types.js'
import { Bytes } from '../parts/measures.js'
import { Progress } from '../parts/progress.js'
import { Trouble } from '../parts/trouble.js'
import { formats, words } from '../words/words.js'
import { ALGORITHM_NAMES, ALGORITHMS, type Comparison } from './comparison.js'
import { DigestValue } from './digest-value.js'
import { nameOf } from './name.js'
import type { Verification, VerificationState } from './verification.js'

interface VerifyProps {
  report: Report
  verification: Verification
}

export function Verify({ report, verification }: VerifyProps) {
  const isOver = useSignal(false)
  const input = useRef<HTMLInputElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const { value: state } = verification.state

  function compare(file: File): void {
    if (report.checksums === null) return
    void verification.compare(file, { sizeBytes: report.size, digests: report.checksums })
  }

  function drop(event: TargetedDragEvent<HTMLElement>): void {
    event.preventDefault()
    // It isn't for the page's drop area, which would send it.
    event.stopPropagation()
    isOver.value = false
    const { items, files } = event.dataTransfer ?? {}
    const isFolder = items?.[0]?.webkitGetAsEntry()?.isDirectory === true
    const file = [...(files ?? [])].find(({ name }) => name === report.filename) ?? files?.[0]
    if (isFolder) verification.refuse(new LocalFileFailed(words.upload.verifyFolder, { code: null }))
    else if (file !== undefined) compare(file)
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is the mouse's way to what the button does
    <div
      class="upload-verify"
      data-over={isOver.value ? '' : undefined}
      onDragEnter={(event) => event.stopPropagation()}
      onDragOver={(event) => {
        event.preventDefault()
        event.stopPropagation()
        isOver.value = true
      }}
      onDragLeave={(event) => {
        const { relatedTarget: next } = event
        if (!(next instanceof Node) || !event.currentTarget.contains(next)) isOver.value = false
      }}
      onDrop={drop}
    >
      <h3>{words.upload.verifyTitle}</h3>
      {state.kind === 'reading' ? (
        <Reading
          state={state}
          onCancel={() => {
            verification.cancel()
            // When the button to choose is there again.
            setTimeout(() => button.current?.focus())
          }}
        />
      ) : (
        <>
          <Outcome state={state} report={report} />
          <div class="upload-buttons">
            <button type="button" ref={button} onClick={() => input.current?.click()}>
              {state.kind === 'idle' ? words.upload.verifyChoose : words.upload.verifyAnother}
            </button>
            <span class="hint">{words.upload.verifyDrop}</span>
          </div>
        </>
      )}
      <input
        ref={input}
        type="file"
        hidden
        aria-label={words.upload.verifyTitle}
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0]
          if (file !== undefined) compare(file)
          // The same one again is a change, too.
          currentTarget.value = ''
        }}
      />
    </div>
  )
}

function Reading({
  state,
  onCancel,
}: {
  state: Extract<VerificationState, { kind: 'reading' }>
  onCancel: () => void
}) {
  const { name, doneBytes, sizeBytes, bytesPerSecond } = state
  return (
    <>
      <p dir="auto">{words.upload.reading(name)}</p>
      <div class="upload-progress">
        <Progress part={doneBytes} whole={sizeBytes} label={words.upload.reading(name)} />
        <span class="number">{formats.percent(doneBytes, sizeBytes)}</span>
      </div>
      <div class="upload-buttons">
        <button type="button" onClick={onCancel}>
          {words.common.cancel}
        </button>
        <span class="hint number">
          {bytesPerSecond !== null &&
            words.upload.readingLeft(
              formats.rate(bytesPerSecond),
              formats.duration((sizeBytes - doneBytes) / bytesPerSecond),
            )}
        </span>
      </div>
    </>
  )
}

function Outcome({ state, report }: { state: VerificationState; report: Report }) {
  if (state.kind === 'failed') return <Trouble error={state.error} what={words.upload.notCompared} />
  if (state.kind !== 'compared') return <p class="hint">{words.upload.verifyWords}</p>
  const { name, comparison } = state
  if (comparison.kind === 'equal') {
    const isRenamed = name !== nameOf(report)
    return (
      <div class="note success" data-verdict="equal">
        <p dir="auto">
          <strong>{words.upload.isSame(name)}</strong>
        </p>
        <p>
          {words.upload.isSameWhy} {isRenamed && words.upload.isRenamed}
        </p>
      </div>
    )
  }
  return (
    <div class="note failure" data-verdict="different">
      <p dir="auto">
        <strong>{words.upload.isOther(name)}</strong>
      </p>
      <Difference comparison={comparison} />
    </div>
  )
}

function Difference({ comparison }: { comparison: Exclude<Comparison, { kind: 'equal' }> }) {
  if (comparison.kind === 'size') {
    const { localBytes, sentBytes } = comparison
    return (
      <>
        <p>
          {words.upload.otherSize(formats.exactBytes(localBytes), formats.exactBytes(sentBytes))}
          {/* Two sizes that read the same when they are rounded are told apart by their bytes above. */}
          {formats.bytes(localBytes) !== formats.bytes(sentBytes) && (
            <>
              {' '}
              (<Bytes value={localBytes} />, <Bytes value={sentBytes} />)
            </>
          )}
        </p>
        <p>{words.upload.otherSizeAdvice}</p>
      </>
    )
  }
  return (
    <>
      <p>
        {words.upload.otherDigests(
          comparison.differing.map((algorithm) => ALGORITHM_NAMES[algorithm]).join(', '),
        )}
      </p>
      <dl class="upload-local">
        {ALGORITHMS.map((algorithm) => (
          <div key={algorithm}>
            <dt>{words.upload.local(ALGORITHM_NAMES[algorithm])}</dt>
            <dd>
              <DigestValue digest={comparison.local[algorithm]} />
            </dd>
          </div>
        ))}
      </dl>
      <p>{words.upload.otherDigestsAdvice}</p>
    </>
  )
}
