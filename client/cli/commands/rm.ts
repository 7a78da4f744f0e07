import { Command } from 'commander'
import type { RmOptions } from '../removing.js'
import { action } from '../session.js'

export function rmCommand(): Command {
  return new Command('rm')
    .summary('deletes uploads, or a package')
    .description(
      'Deletes uploads, or a whole package: their bytes are gone and their URLs dead. Unfinished ones are given up.',
    )
    .argument('[upload...]', "an upload's id, URL, path or name; none: the whole package of --package")
    .option(
      '--package <package>',
      'the package to delete; with names, where they are looked for: its id or label',
    )
    .option('--label <label>', 'where the name is looked for: a label')
    .option('--yes', "don't ask")
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto rm temperature.csv --label lakes-2026
  $ antipasto rm --package lakes-2026
  $ antipasto ls --state failed --json | jq -r .id | xargs antipasto rm --yes`,
    )
    .action(
      action(async (session, words: string[], options: RmOptions) => {
        const { removePackage, removeUploads } = await import('../removing.js')
        return words.length > 0 ? removeUploads(session, words, options) : removePackage(session, options)
      }),
    )
}
