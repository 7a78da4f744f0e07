// The commands of a page of docs/, and what the page says of who runs them. For the suites that run them as they stand there.

import { readFileSync } from 'node:fs'

const ROOT = new URL('../../../', import.meta.url)
const SHELLS = new Set(['sh', 'bash', 'shell', 'console'])

export interface ShellBlock {
  readonly language: string
  readonly code: string
  /** Of the line with the fence, from 1. */
  readonly line: number
  /** The HTML comment on the line directly above, without its marks; undefined when there is none. */
  readonly marker: string | undefined
  /** From the heading above to the next one, without comments: what a reader sees around it. */
  readonly section: string
}

/** A file of this project as text. @param path from the project's folder, e.g. `docs/operate.md` */
export function readProjectFile(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}

/** Every fenced block of shell commands, in order. @param page e.g. `docs/operate.md` */
export function shellBlocksOf(page: string): ShellBlock[] {
  return shellBlocksIn(readProjectFile(page))
}

/** Pure. Knows fences of three backticks, which is all that our pages have. */
export function shellBlocksIn(text: string): ShellBlock[] {
  const lines = text.split('\n')
  const blocks: ShellBlock[] = []
  let sectionStart = 0
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (/^#{1,6} /.test(line)) sectionStart = index
    const language = /^ *```(.*)$/.exec(line)?.[1]
    if (language === undefined) continue
    const length = lines.slice(index + 1).findIndex((each) => /^ *```$/.test(each))
    const end = length === -1 ? lines.length : index + 1 + length
    const [name = ''] = language.trim().split(' ')
    if (SHELLS.has(name)) {
      blocks.push({
        language: name,
        code: `${lines.slice(index + 1, end).join('\n')}\n`,
        line: index + 1,
        marker: /^ *<!-- (.*) -->$/.exec(lines[index - 1] ?? '')?.[1],
        section: sectionFrom(lines, sectionStart, end),
      })
    }
    index = end
  }
  return blocks
}

/** The code of the one block after `<!-- marker -->`; throws where the page has none or several. */
export function markedBlock(page: string, marker: string): string {
  const parts = readProjectFile(page).split(`<!-- ${marker} -->\n`)
  const code = /^ *```\w*\n(.*?)^ *```$/ms.exec(parts[1] ?? '')
  if (parts.length !== 2 || code?.index !== 0) throw new Error(`${page} has not one block "${marker}".`)
  return String(code[1])
}

function sectionFrom(lines: readonly string[], start: number, end: number): string {
  // Comments of shell blocks begin as headings do, so the next heading is looked for behind the block.
  const length = lines.slice(end).findIndex((line) => /^#{1,6} /.test(line))
  const section = lines.slice(start, length === -1 ? undefined : end + length).join('\n')
  return section.replaceAll(/<!--.*?-->/gs, '')
}
