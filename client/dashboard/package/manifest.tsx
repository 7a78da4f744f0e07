import type { Package } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { CopyButton } from '../parts/copy-button.js'
import { Icon } from '../parts/icon.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import { formats, words } from '../words/words.js'
import { saveFile } from './save-file.js'
import { savedName } from './saved-name.js'

/** The manifest of a finalized package, to be had as files, and by its name. */
export function Manifest({ report }: { report: Package }) {
  const { antipasto } = useDesk()
  const working = useWorking()
  const text = words.package.manifest
  const { id, name, finalized_at: finalizedAt, manifest_sha256: sha256 } = report

  function download(format: 'json' | 'cbor'): void {
    working.run(async (signal) => {
      const bytes = await antipasto.packages.manifest(id, format, signal)
      saveFile(savedName(name, `manifest.${format}`), bytes, `application/${format}`)
    })
  }

  return (
    <div class="package-step">
      {finalizedAt !== null && <p>{text.why(formats.moment(new Date(finalizedAt)))}</p>}
      {sha256 !== null && (
        <div class="digest">
          <span class="label">{text.sha256}</span>
          <code>{sha256}</code>
          <CopyButton text={sha256} what={text.sha256} />
        </div>
      )}
      <div class="digest-files">
        {(['json', 'cbor'] as const).map((format) => (
          <button type="button" key={format} {...busy(working)} onClick={() => download(format)}>
            <Icon name="download" />
            {text[format]}
          </button>
        ))}
      </div>
      {working.trouble.value !== null && <Trouble error={working.trouble.value} what={text.failed} />}
    </div>
  )
}
