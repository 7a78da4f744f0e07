// `ls`: lists of any length, never all of it in memory.

import type { PackageSummary, Report, UploadState } from '../api/types.js'
import { CommandFailed, EXIT } from './exit-code.js'
import { ageCell, endsCell, nameOf, packageName, sizeCell, stateCell } from './report-lines.js'
import type { Session } from './session.js'
import { packageIdOf } from './targets.js'
import { UPLOAD_STATES } from './upload-states.js'

export interface LsOptions {
  label?: string
  package?: string
  state?: UploadState[]
  q?: string
  packages?: boolean
  all?: boolean
  long?: boolean
}

/** Rows that are laid out together. */
const ROWS_AT_ONCE = 200
const PACKAGE_STATES = ['open', 'finalized', 'expired', 'deleted'] as const

interface Layout<Item> {
  header: readonly string[]
  /** The least of each column, so that later rows stand below earlier ones. */
  widths: readonly number[]
  right: readonly number[]
  expendable: readonly number[]
  cells(item: Item): string[]
}

export async function listUploads(session: Session, options: LsOptions): Promise<void> {
  const { antipasto, signal } = session
  const states = options.state ?? (options.all === true ? [...UPLOAD_STATES] : undefined)
  const reports = antipasto.uploads.list(
    {
      ...(options.label === undefined ? {} : { label: options.label }),
      ...(options.package === undefined
        ? {}
        : { package_id: await packageIdOf(antipasto, options.package, signal) }),
      ...(states === undefined ? {} : { state: states }),
      ...(options.q === undefined ? {} : { q: options.q }),
    },
    signal,
  )
  const now = new Date()
  await list(session, reports, options.long === true ? longUploads(now) : shortUploads(now))
}

export async function listPackages(session: Session, options: LsOptions): Promise<void> {
  const { antipasto, signal } = session
  if (options.state !== undefined || options.q !== undefined || options.package !== undefined) {
    throw new CommandFailed('Packages are listed by --label and --all only.', { exitCode: EXIT.usage })
  }
  const packages = antipasto.packages.list(
    {
      ...(options.label === undefined ? {} : { label: options.label }),
      ...(options.all === true ? { state: [...PACKAGE_STATES] } : {}),
    },
    signal,
  )
  await list(session, packages, packageLayout)
}

async function list<Item>(
  { output }: Session,
  items: AsyncIterable<Item>,
  layout: Layout<Item>,
): Promise<void> {
  const { header, cells, ...columns } = layout
  let rows: string[][] = []
  let isFirst = true
  const write = () => {
    if (rows.length > 0) output.table(rows, { ...columns, ...(isFirst ? { header } : {}) })
    isFirst = false
    rows = []
  }
  for await (const item of items) {
    if (output.isJson) output.result(item)
    else if (rows.push(cells(item)) === ROWS_AT_ONCE) write()
  }
  if (!output.isJson && isFirst && rows.length === 0) output.note('Nothing is here.')
  write()
}

function shortUploads(now: Date): Layout<Report> {
  return {
    header: ['STATE', 'SIZE', 'AGE', 'ENDS IN', 'NAME'],
    widths: [14, 9, 6, 7],
    right: [1, 2, 3],
    expendable: [2, 3, 1],
    cells: (report) => [
      stateCell(report),
      sizeCell(report),
      ageCell(report.created_at, now),
      endsCell(report.expires_in, report.state),
      nameOf(report),
    ],
  }
}

function longUploads(now: Date): Layout<Report> {
  const short = shortUploads(now)
  return {
    header: ['ID', ...short.header.slice(0, -1), 'LABEL', 'NAME'],
    widths: [40, ...short.widths, 5],
    right: short.right.map((at) => at + 1),
    // The id is what it is asked for.
    expendable: [3, 4, 5, 2],
    cells: (report) => {
      const cells = short.cells(report)
      return [report.id, ...cells.slice(0, -1), report.label ?? '-', nameOf(report)]
    },
  }
}

const packageLayout: Layout<PackageSummary> = {
  header: ['STATE', 'ENDS IN', 'ID', 'NAME'],
  widths: [9, 7, 40],
  right: [1],
  expendable: [1, 0],
  cells: (item) => [item.state, endsCell(item.expires_in, item.state), item.id, packageName(item)],
}
