import { words } from '../words/words.js'
import { warningKind } from './warnings-known.js'

/** What PASTA will refuse later: said now, with what to do. */
export function Warnings({ warnings }: { warnings: readonly string[] }) {
  if (warnings.length === 0) return null
  return (
    <section class="upload-warnings" aria-label={words.upload.warnings}>
      {warnings.map((warning) => {
        const kind = warningKind(warning)
        return (
          <div key={warning} class="note warning">
            {kind === null ? (
              <p dir="auto">{warning}</p>
            ) : (
              <>
                <h2>{words.upload.warningTitle[kind]}</h2>
                <p>{words.upload.warningAdvice[kind]}</p>
              </>
            )}
          </div>
        )
      })}
    </section>
  )
}
