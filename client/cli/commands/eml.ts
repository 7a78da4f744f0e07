import { Command } from 'commander'
import type { EmlPatchOptions } from '../eml.js'
import { action } from '../session.js'
import type { Scope } from '../targets.js'

export function emlCommand(): Command {
  return new Command('eml')
    .summary('EML elements, and documents filled in')
    .description('EML: the elements of files, and documents that are filled in with them.')
    .addCommand(emlShowCommand())
    .addCommand(emlPatchCommand())
}

function emlShowCommand(): Command {
  return new Command('show')
    .description('Prints the <physical> element of a file; of a package, entities for all of its files.')
    .argument('<upload>', "an upload's id, URL, path or name; or a package's id")
    .option('--package <package>', 'where the name is looked for: the id or label of a package')
    .option('--label <label>', 'where the name is looked for: a label')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto eml show temperature.csv --label lakes-2026`,
    )
    .action(
      action(async (session, word: string, scope: Scope) => {
        const { showEml } = await import('../eml.js')
        await showEml(session, word, scope)
      }),
    )
}

function emlPatchCommand(): Command {
  return new Command('patch')
    .description(
      'Fills in sizes, checksums and URLs of the files that an EML document describes; the rest of it stays byte for byte. Exit code 3 when a file is missing.',
    )
    .argument('<file>', 'the EML document; - reads it from standard input')
    .option('--package <package>', 'whose files: the id or label of a package')
    .option('--label <label>', 'whose files: those of the newest package with this label')
    .option('-o, --output <file>', 'where the filled document goes; without it, to standard output')
    .option('--in-place', 'into the same file')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto eml patch lakes.xml --label lakes-2026 -o lakes-filled.xml
  $ antipasto eml patch lakes.xml --label lakes-2026 --in-place`,
    )
    .action(
      action(async (session, file: string, options: EmlPatchOptions) => {
        const { patchEml } = await import('../eml.js')
        return patchEml(session, file, options)
      }),
    )
}
