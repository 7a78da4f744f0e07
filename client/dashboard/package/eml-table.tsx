import { useSignal } from '@preact/signals'
import type { EmlPatch } from '../../api/types.js'
import { hrefOf } from '../route.js'
import { formats, words } from '../words/words.js'
import { type EmlGroup, type EmlRow, emlGroups, type MissingReason } from './eml-rows.js'

/** Of each group, until all are asked for. */
const SHOWN_ROWS = 50

interface EmlTableProps {
  name: string
  patch: EmlPatch
  /** The package is finalized: no file comes or goes. */
  isFinal: boolean
}

/** What is missing in the package, what the document doesn't describe, and what was filled in; and what to do about each. */
export function EmlTable({ name, patch, isFinal }: EmlTableProps) {
  const text = words.package.eml
  const groups = emlGroups(patch)
  if (groups.length === 0) return <p class="note">{text.nothingInIt}</p>
  return (
    <table class="eml-table">
      <caption class="visually-hidden">{text.caption(name)}</caption>
      <thead>
        <tr>
          <th scope="col">{text.inDocument}</th>
          <th scope="col">{text.inPackage}</th>
        </tr>
      </thead>
      {groups.map((group) => (
        <Group key={group.kind} group={group} isFinal={isFinal} />
      ))}
    </table>
  )
}

function Group({ group, isFinal }: { group: EmlGroup; isFinal: boolean }) {
  const { kind, rows } = group
  const text = words.package.eml
  const isAll = useSignal(false)
  const shown = isAll.value ? rows : rows.slice(0, SHOWN_ROWS)
  const whatToDo = kind === 'unused' ? unusedWords(isFinal) : reasonWords(group.reason, isFinal)
  return (
    <tbody data-kind={kind}>
      <tr>
        <th scope="rowgroup" colSpan={2}>
          {text.groups[kind](formats.count(rows.length))}
          {whatToDo !== null && <span class="what-to-do">{whatToDo}</span>}
        </th>
      </tr>
      {shown.map((row, index) => (
        <Row key={`${row.inDocument} ${row.file?.id} ${index}`} row={row} group={group} isFinal={isFinal} />
      ))}
      {shown.length < rows.length && (
        <tr>
          <td colSpan={2}>
            <button
              type="button"
              class="quiet"
              onClick={() => {
                isAll.value = true
              }}
            >
              {text.all(formats.count(rows.length))}
            </button>
          </td>
        </tr>
      )}
    </tbody>
  )
}

interface RowProps {
  row: EmlRow
  group: EmlGroup
  isFinal: boolean
}

function Row({ row: { inDocument, file, reason }, group, isFinal }: RowProps) {
  const text = words.package.eml
  const isException = reason !== group.reason
  return (
    <tr>
      <td data-column={text.inDocument}>
        {inDocument === null ? (
          <span class="soft">{group.kind === 'unused' ? text.none : text.noName}</span>
        ) : (
          <bdi>{inDocument}</bdi>
        )}
      </td>
      <td data-column={text.inPackage}>
        {file === null ? (
          <span class="soft">{isException ? reasonWords(reason, isFinal) : text.none}</span>
        ) : (
          <a href={hrefOf({ view: 'upload', id: file.id })}>
            <bdi>{file.path}</bdi>
          </a>
        )}
      </td>
    </tr>
  )
}

function unusedWords(isFinal: boolean): string {
  return isFinal ? words.package.eml.unusedOfFinal : words.package.eml.unused
}

/** Null: there is nothing to do. */
function reasonWords(reason: MissingReason | null, isFinal: boolean): string | null {
  const text = words.package.eml
  if (reason === null) return null
  return isFinal && reason === 'no file' ? text.missingFromFinal : text.missing[reason]
}
