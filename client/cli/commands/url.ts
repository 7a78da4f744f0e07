import { Command } from 'commander'
import { action } from '../session.js'
import type { Scope } from '../targets.js'

export function urlCommand(): Command {
  return new Command('url')
    .summary('prints the URL of the bytes')
    .description(
      'Prints the URL that the bytes can be had from, without a key. Whoever has it can fetch them.',
    )
    .argument('<upload...>', "an upload's id, URL, path or name")
    .option('--renew', 'a new one; the one before is dead')
    .option('--package <package>', 'where the name is looked for: the id or label of a package')
    .option('--label <label>', 'where the name is looked for: a label')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto url temperature.csv --label lakes-2026
  $ curl -OJ "$(antipasto url temperature.csv)"`,
    )
    .action(
      action(async (session, words: string[], { renew, ...scope }: Scope & { renew?: boolean }) => {
        const [{ eachOf }, { urlOf }, { nameOf }] = await Promise.all([
          import('../each.js'),
          import('../retrieval-url.js'),
          import('../report-lines.js'),
        ])
        return eachOf(session, words, async (word) => {
          const { report, url } = await urlOf(session, word, { scope, renew: renew === true })
          session.output.result({ id: report.id, name: nameOf(report), retrieval_url: url }, url)
        })
      }),
    )
}
