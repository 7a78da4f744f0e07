import { useSignal } from '@preact/signals'
import type { Package } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Dialog } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { tell } from '../parts/notices.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import { goTo, place } from '../place.js'
import { hrefOf } from '../route.js'
import { formats, words } from '../words/words.js'
import type { OpenedPackage } from './opened.js'

interface DeleteProps {
  opened: OpenedPackage
  report: Package
}

/** Deleting a package is final, other than deleting a file: it asks, with what goes. */
export function DeletePackage({ opened, report }: DeleteProps) {
  const isAsking = useSignal(false)
  return (
    <>
      <button
        type="button"
        class="danger"
        onClick={() => {
          isAsking.value = true
        }}
      >
        <Icon name="trash" />
        {words.package.remove.begin}
      </button>
      {isAsking.value && (
        <Question
          opened={opened}
          report={report}
          onClose={() => {
            isAsking.value = false
          }}
        />
      )}
    </>
  )
}

function Question({ opened, report, onClose }: DeleteProps & { onClose: () => void }) {
  const { antipasto, me, reports, sending } = useDesk()
  const working = useWorking()
  const text = words.package.remove
  const { id, name, counts } = report
  const isEmpty = counts.total === 0
  const files = words.package.filesOf(formats.count(counts.total), counts.total)

  function remove(): void {
    working.run(async () => {
      opened.pause(true)
      try {
        // What this tab sends would go on into nothing.
        for (const uploadId of sending.uploads.peek().keys()) {
          if (reports.of(uploadId).peek()?.package_id === id) sending.drop(uploadId)
        }
        await antipasto.packages.remove(id)
      } catch (error) {
        opened.pause(false)
        throw error
      }
      me.refresh()
      const route = place.peek()
      if (route.view === 'package' && route.id === id) goTo(hrefOf({ view: 'files' }))
      tell({ text: text.done(name) })
    })
  }

  return (
    <Dialog title={<bdi>{text.ask(name)}</bdi>} onClose={onClose}>
      <p>{isEmpty ? text.whatEmpty : text.what(files, formats.bytes(counts.bytes))}</p>
      <p>{text.final}</p>
      {working.trouble.value !== null && <Trouble error={working.trouble.value} what={text.failed} />}
      <div class="dialog-actions">
        <button type="button" autofocus onClick={onClose}>
          {words.common.cancel}
        </button>
        <button type="button" class="danger" {...busy(working)} onClick={remove}>
          {isEmpty ? text.actEmpty : text.act(formats.count(counts.total), counts.total)}
        </button>
      </div>
    </Dialog>
  )
}
