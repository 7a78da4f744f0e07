// The EML `<physical>` element of the file, as it goes into a document.

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Report } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Coded } from '../parts/coded.js'
import { CopyButton } from '../parts/copy-button.js'
import { Trouble } from '../parts/trouble.js'
import { words } from '../words/words.js'

type Loaded = { kind: 'loading' } | { kind: 'loaded'; text: string } | { kind: 'failed'; error: unknown }

export function Eml({ report: { id, retrieval_url: url } }: { report: Report }) {
  const { antipasto } = useDesk()
  const loaded = useSignal<Loaded>({ kind: 'loading' })
  const attempt = useSignal(0)

  // The URL is in it: with a new one it is another.
  useEffect(() => {
    if (url === null) return
    const asking = new AbortController()
    antipasto.uploads.eml(id, asking.signal).then(
      (text) => {
        loaded.value = { kind: 'loaded', text }
      },
      (error: unknown) => {
        if (!asking.signal.aborted) loaded.value = { kind: 'failed', error }
      },
    )
    return () => asking.abort()
  }, [id, url, attempt.value])

  const { value } = loaded
  return (
    <section class="card">
      <div class="card-head">
        <h2>{words.upload.emlTitle}</h2>
        {value.kind === 'loaded' && <CopyButton text={value.text} what={words.upload.eml} />}
      </div>
      <p class="hint">
        <Coded text={words.upload.emlWords} />
      </p>
      {value.kind === 'loading' && <p class="loading">{words.common.loading}</p>}
      {value.kind === 'failed' && (
        <Trouble
          error={value.error}
          onRetry={() => {
            loaded.value = { kind: 'loading' }
            attempt.value += 1
          }}
        />
      )}
      {value.kind === 'loaded' && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        <section class="upload-eml" tabIndex={0} aria-label={words.upload.emlTitle}>
          <pre dir="ltr">
            <code>{value.text}</code>
          </pre>
        </section>
      )}
    </section>
  )
}
