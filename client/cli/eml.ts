// `eml`: the document goes where documents go, and what matched is told beside it.

import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { EmlPatch } from '../api/types.js'
import { CommandFailed, EXIT, type ExitCode } from './exit-code.js'
import { plainText } from './plain-text.js'
import type { Session } from './session.js'
import { tableLines } from './table.js'
import { findEither, packageIdOf, type Scope } from './targets.js'
import { writeWhole } from './written-file.js'

export interface EmlPatchOptions {
  package?: string
  label?: string
  output?: string
  inPlace?: boolean
}

export async function showEml(
  { antipasto, output, signal }: Session,
  word: string,
  scope: Scope,
): Promise<void> {
  const found = await findEither(antipasto, word, scope, signal)
  const [id, eml] =
    'report' in found
      ? [found.report.id, await antipasto.uploads.eml(found.report.id, signal)]
      : [found.package.id, await antipasto.packages.eml(found.package.id, signal)]
  output.result({ id, eml }, eml.trimEnd())
}

export async function patchEml(
  { antipasto, output, signal }: Session,
  file: string,
  options: EmlPatchOptions,
): Promise<ExitCode> {
  const target = targetOf(file, options)
  const label = options.label
  if ((options.package === undefined) === (label === undefined)) {
    throw new CommandFailed('Whose files? Give either --package or --label.', { exitCode: EXIT.usage })
  }
  const xml = new Uint8Array(file === '-' ? await buffer(process.stdin) : await readFile(file))
  const source =
    options.package === undefined
      ? { label: label ?? '' }
      : { packageId: await packageIdOf(antipasto, options.package, signal) }
  const patch = await antipasto.packages.patchEml(source, xml, signal)
  if (target !== null) await writeWhole(target, patch.document)

  const { document, matched, missing, unused } = patch
  const lines = tableLines(patchRows(patch), { columns: output.columns })
  if (target !== null) {
    output.result({ file: target, matched, missing, unused }, lines)
  } else {
    output.result({ document, matched, missing, unused }, [])
    if (!output.isJson) process.stdout.write(document)
    for (const line of lines) output.note(line)
  }
  if (target !== null) output.note(`The document is in ${target}.`)
  return missing.length === 0 ? EXIT.ok : EXIT.someFailed
}

/** Where the document goes; null: standard output. Pure. @throws CommandFailed for two places */
export function targetOf(file: string, { output, inPlace }: EmlPatchOptions): string | null {
  if (inPlace !== true) return output === undefined || output === '-' ? null : output
  if (output !== undefined) throw new CommandFailed('Give either -o or --in-place.', { exitCode: EXIT.usage })
  if (file !== '-') return file
  throw new CommandFailed('Standard input has no place to write to.', {
    exitCode: EXIT.usage,
    hint: 'Give -o FILE.',
  })
}

const REASONS: Record<EmlPatch['missing'][number]['reason'], string> = {
  'no file': 'no file of this name is here',
  'not ready': 'its file is not ready yet',
  ambiguous: 'several files have this name: write its path',
  'no name': 'it names no file: it lacks an objectName',
}

/** What matched, what is missing, what nothing names. Pure. */
function patchRows({ matched, missing, unused }: EmlPatch): string[][] {
  return [
    ...matched.map(({ object_name, path }) => [
      'matched',
      object_name === path ? path : `${object_name} is ${path}`,
    ]),
    ...missing.map(({ object_name, entity, reason }) => [
      'missing',
      `${object_name ?? entity}: ${REASONS[reason]}`,
    ]),
    ...unused.map(({ path }) => ['unused', path]),
  ].map((row) => row.map(plainText))
}
