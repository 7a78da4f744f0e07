// What a command says: results on stdout, for a pipe; everything else on stderr, for people.

import { createColors } from 'picocolors'
import { plainText } from './plain-text.js'
import { type TableLayout, tableLines } from './table.js'

export type Colors = ReturnType<typeof createColors>

export interface TableOptions extends Omit<TableLayout, 'columns'> {
  header?: readonly string[]
}

export interface Output {
  /** --json: results are JSON, one value a line. */
  readonly isJson: boolean
  readonly isQuiet: boolean
  readonly isVerbose: boolean
  /** True when stderr is a terminal, where progress and questions go. */
  readonly isTerminal: boolean
  /** Of that terminal; 80 where there is none. Asked anew each time: windows are resized. */
  readonly columns: number
  /** For stderr and for stdout; without colours each gives back its text. */
  readonly colors: Colors
  readonly outColors: Colors
  /** --json: `value` as one line; else `lines`, or nothing. On stdout. */
  result(value: unknown, lines?: string | readonly string[]): void
  /** Columns on stdout, as wide as its terminal, or as they are in a pipe. Cells are made plain text. Not for --json. */
  table(rows: readonly (readonly string[])[], options?: TableOptions): void
  /** For people only, on stderr: not with --quiet or --json. */
  note(line: string): void
  /** On stderr, always. */
  warn(line: string): void
  /** While `say` is set, notes and warnings go there: a display that is drawn over and over owns the terminal. */
  redirect(say: ((line: string) => void) | null): void
}

export interface OutputOptions {
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  isJson: boolean
  isQuiet: boolean
  isVerbose: boolean
  /** False with --no-color and NO_COLOR; null: as the stream is. */
  hasColor: boolean | null
}

const DEFAULT_COLUMNS = 80

export function createOutput(options: OutputOptions): Output {
  const { stdout, stderr, isJson, isQuiet, isVerbose, hasColor } = options
  const outColors = createColors(hasColor ?? stdout.isTTY === true)
  const write = (line: string) => {
    stderr.write(`${line}\n`)
  }
  let say = write
  return {
    isJson,
    isQuiet,
    isVerbose,
    isTerminal: stderr.isTTY === true,
    get columns() {
      return stderr.columns > 0 ? stderr.columns : DEFAULT_COLUMNS
    },
    colors: createColors(hasColor ?? stderr.isTTY === true),
    outColors,
    result(value, lines = []) {
      if (isJson) stdout.write(`${JSON.stringify(value)}\n`)
      else for (const line of typeof lines === 'string' ? [lines] : lines) stdout.write(`${line}\n`)
    },
    table(rows, { header, ...layout } = {}) {
      if (isJson) return
      const all = [...(header === undefined ? [] : [header]), ...rows].map((row) => row.map(plainText))
      const columns = stdout.isTTY === true ? stdout.columns || DEFAULT_COLUMNS : Number.POSITIVE_INFINITY
      tableLines(all, { ...layout, columns }).forEach((line, at) => {
        stdout.write(`${header !== undefined && at === 0 ? outColors.bold(line) : line}\n`)
      })
    },
    note(line) {
      if (!isJson && !isQuiet) say(line)
    },
    warn(line) {
      say(line)
    },
    redirect(next) {
      say = next ?? write
    },
  }
}
