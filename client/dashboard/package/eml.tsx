// EML: a document goes in and comes back filled, with what it and the package have of each other.

import { batch, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { EmlPatch, Package } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Icon } from '../parts/icon.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import { formats, words } from '../words/words.js'
import { DropArea } from './eml-drop.js'
import { EmlTable } from './eml-table.js'
import type { OpenedPackage } from './opened.js'
import { saveFile } from './save-file.js'
import { filledName, savedName } from './saved-name.js'

interface EmlProps {
  opened: OpenedPackage
  report: Package
}

/** What the server takes. */
const MOST_DOCUMENT_BYTES = 8 * 1024 * 1024

interface Document {
  name: string
  bytes: Uint8Array<ArrayBuffer>
}

interface Filled extends Document {
  patch: EmlPatch
  /** How much had happened in the package when it was filled in. */
  changes: number
}

export function Eml({ opened, report }: EmlProps) {
  const text = words.package.eml
  const { antipasto } = useDesk()
  /** What is being filled in now. */
  const busyName = useSignal<string | null>(null)
  /** Refused here, before it was sent. */
  const refusal = useSignal<string | null>(null)
  const failure = useSignal<{ name: string; error: unknown } | null>(null)
  const filled = useSignal<Filled | null>(null)
  const working = useRef<AbortController | null>(null)
  const result = useRef<HTMLHeadingElement>(null)
  useEffect(() => () => working.current?.abort(), [])
  const done = filled.value
  useEffect(() => {
    if (done !== null) result.current?.focus()
  }, [done])

  /** The last one that was given counts. */
  async function fill(name: string, read: () => Promise<Document>): Promise<void> {
    working.current?.abort()
    const aborter = new AbortController()
    working.current = aborter
    batch(() => {
      busyName.value = name
      refusal.value = null
      failure.value = null
    })
    announce(text.working(name))
    try {
      const changes = opened.changes.peek()
      const document = await read()
      const patch = await antipasto.packages.patchEml(
        { packageId: opened.id },
        document.bytes,
        aborter.signal,
      )
      if (aborter.signal.aborted) return
      batch(() => {
        filled.value = { ...document, patch, changes }
        busyName.value = null
      })
      announce(summaryOf(patch))
    } catch (error) {
      if (aborter.signal.aborted) return
      batch(() => {
        filled.value = null
        busyName.value = null
        if (error instanceof Unreadable) refusal.value = words.upload.fileUnreadable(name)
        else failure.value = { name, error }
      })
    }
  }

  function take(files: readonly File[]): void {
    const [file, ...others] = files
    if (file === undefined) return
    if (others.length > 0) refuse(text.onlyOne)
    else if (file.size > MOST_DOCUMENT_BYTES) refuse(text.tooLarge(file.name, formats.bytes(file.size)))
    else void fill(file.name, () => readDocument(file))
  }

  function refuse(why: string): void {
    working.current?.abort()
    batch(() => {
      busyName.value = null
      failure.value = null
      filled.value = null
      refusal.value = why
    })
  }

  return (
    <section class="card package-part">
      <h2>{text.title}</h2>
      <p>{text.why}</p>
      <DropArea busyName={busyName.value} isCompact={done !== null} onFiles={take} />
      {refusal.value !== null && (
        <p class="note failure" role="alert" dir="auto">
          {refusal.value}
        </p>
      )}
      {failure.value !== null && (
        <Trouble error={failure.value.error} what={text.failed(failure.value.name)} />
      )}
      {done !== null && (
        <div class="eml-result" aria-busy={busyName.value !== null}>
          <div class="eml-head">
            <h3 ref={result} tabIndex={-1} dir="auto">
              {done.name}
            </h3>
            <p class="soft">{summaryOf(done.patch)}</p>
            <button
              type="button"
              class="primary save-filled"
              onClick={() => saveFile(filledName(done.name), done.patch.document, 'application/xml')}
            >
              <Icon name="download" />
              <span class="cut" dir="auto">
                {text.save(filledName(done.name))}
              </span>
            </button>
          </div>
          {done.changes !== opened.changes.value && (
            <div class="note warning">
              <p class="stale">
                <span>{text.stale}</span>
                <button type="button" onClick={() => void fill(done.name, async () => done)}>
                  {text.again}
                </button>
              </p>
            </div>
          )}
          <EmlTable name={done.name} patch={done.patch} isFinal={report.state === 'finalized'} />
        </div>
      )}
      <Entities report={report} />
    </section>
  )
}

/** The file was changed or taken away between being chosen and being read. */
class Unreadable extends Error {}

async function readDocument(file: File): Promise<Document> {
  try {
    return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }
  } catch (cause) {
    throw new Unreadable(file.name, { cause })
  }
}

function summaryOf({ matched, missing, unused }: EmlPatch): string {
  const [filledIn = '', lacking = '', left = ''] = [matched, missing, unused].map(({ length }) =>
    formats.count(length),
  )
  return words.package.eml.summary(filledIn, lacking, left)
}

/** For those who have no document yet. */
function Entities({ report }: { report: Package }) {
  const { antipasto } = useDesk()
  const working = useWorking()
  const text = words.package.eml
  return (
    <div class="entities">
      <p class="hint">{text.entitiesHint}</p>
      <button
        type="button"
        class="quiet"
        disabled={report.counts.ready === 0}
        {...busy(working)}
        onClick={() =>
          working.run(async (signal) => {
            const document = await antipasto.packages.eml(report.id, signal)
            saveFile(savedName(report.name, 'entities.xml'), document, 'application/xml')
          })
        }
      >
        <Icon name="download" />
        {text.entities}
      </button>
      {working.trouble.value !== null && <Trouble error={working.trouble.value} what={text.entitiesFailed} />}
    </div>
  )
}
