import { Command } from 'commander'
import type { ExtendOptions } from '../extending.js'
import { durationOption, momentOption } from '../option-values.js'
import { action } from '../session.js'

export function extendCommand(): Command {
  return new Command('extend')
    .summary('keeps uploads, or packages, longer')
    .description('Keeps uploads, or packages, longer.')
    .argument('<upload...>', "an upload's id, URL, path or name; or a package's id")
    .option('--until <time>', 'until the end of this day, or this moment', momentOption)
    .option('--by <duration>', 'so much longer than now they are: 12h, 30d, 2w', durationOption)
    .option('--reason <text>', 'why, for the history of a package')
    .option('--package <package>', 'where the name is looked for: the id or label of a package')
    .option('--label <label>', 'where the name is looked for: a label')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto extend temperature.csv --by 30d
  $ antipasto extend 5d1c7a4e9b3f4c2a8d6e0f1a2b3c4d5e6f708192 --until 2027-06-30 --reason "The review takes longer."`,
    )
    .action(
      action(async (session, words: string[], options: ExtendOptions) => {
        const { extendTargets } = await import('../extending.js')
        return extendTargets(session, words, options)
      }),
    )
}
