// The URL that PASTA pulls the file from, and a new one in its place.

import { useSignal } from '@preact/signals'
import type { Report } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { CopyButton } from '../parts/copy-button.js'
import { Dialog } from '../parts/dialog.js'
import { may } from '../sign-in/rights.js'
import { words } from '../words/words.js'
import type { OpenedUpload } from './opened.js'
import { useTroubleBeside } from './trouble-beside.js'

interface RetrievalUrlProps {
  report: Report
  opened: OpenedUpload
}

export function RetrievalUrl({ report, opened }: RetrievalUrlProps) {
  const { me } = useDesk()
  const isAsked = useSignal(false)
  const url = report.retrieval_url
  return (
    <section class="card">
      <h2>{words.upload.urlTitle}</h2>
      {url === null ? (
        <p class="loading">{words.common.loading}</p>
      ) : (
        <>
          <div class="upload-url">
            <a href={url} rel="noreferrer" dir="ltr">
              {url}
            </a>
            <CopyButton text={url} what={words.upload.url} />
          </div>
          <p class="hint">{words.upload.urlWords}</p>
          {may(me.now.value, 'upload') && (
            <div class="upload-buttons">
              <button
                type="button"
                onClick={() => {
                  isAsked.value = true
                }}
              >
                {words.upload.renew}
              </button>
            </div>
          )}
        </>
      )}
      {isAsked.value && (
        <RenewDialog
          report={report}
          opened={opened}
          onClose={() => {
            isAsked.value = false
          }}
        />
      )}
    </section>
  )
}

function RenewDialog({ report, opened, onClose }: RetrievalUrlProps & { onClose: () => void }) {
  const { antipasto } = useDesk()
  const renewal = useTroubleBeside()

  async function renew(): Promise<void> {
    const isDone = await renewal.run(() =>
      opened.change(async () => {
        const { retrieval_url } = await antipasto.uploads.renewUrl(report.id)
        // As it is by now.
        return { ...(opened.report.peek() ?? report), retrieval_url }
      }),
    )
    if (!isDone) return
    announce(words.upload.renewed)
    onClose()
  }

  return (
    <Dialog title={words.upload.renewTitle} onClose={onClose}>
      <p>{words.upload.renewWords}</p>
      {renewal.show(words.upload.notRenewed)}
      <div class="dialog-actions">
        <button type="button" autofocus onClick={onClose}>
          {words.common.cancel}
        </button>
        <button type="button" class="danger" aria-busy={renewal.isBusy} onClick={() => void renew()}>
          {words.upload.renew}
        </button>
      </div>
    </Dialog>
  )
}
