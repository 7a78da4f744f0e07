import { Command } from 'commander'
import { action } from '../session.js'
import type { Scope } from '../targets.js'

export function showCommand(): Command {
  return new Command('show')
    .summary('shows what the server knows of an upload')
    .description('Shows what the server knows of uploads: state, size, checksums, URL, end, errors.')
    .argument('<upload...>', "an upload's id, URL, path or name; or a package's id")
    .option('--package <package>', 'where the name is looked for: the id or label of a package')
    .option('--label <label>', 'where the name is looked for: a label')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto show temperature.csv
  $ antipasto show data/2026/temperature.csv --label lakes-2026
  $ antipasto show 0b6e51f2c96d4a7e8e1f6a8c2d3b4a590b6e51f2 --json`,
    )
    .action(
      action(async (session, words: string[], scope: Scope) => {
        const [{ eachOf }, { findEither }, { packageLines, reportLines }] = await Promise.all([
          import('../each.js'),
          import('../targets.js'),
          import('../report-lines.js'),
        ])
        return eachOf(session, words, async (word) => {
          const found = await findEither(session.antipasto, word, scope, session.signal)
          if ('report' in found) session.output.result(found.report, reportLines(found.report))
          else session.output.result(found.package, packageLines(found.package))
        })
      }),
    )
}
