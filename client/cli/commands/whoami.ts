import { Command } from 'commander'
import { action } from '../session.js'

export function whoamiCommand(): Command {
  return new Command('whoami')
    .summary('shows who you are, and your limits')
    .description('Shows who you are to the server, what you may do, and what you have used and have left.')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto whoami
  $ antipasto whoami --json | jq .usage.bytes`,
    )
    .action(
      action(async ({ antipasto, output, settings, signal }) => {
        const me = await antipasto.me(signal)
        const { meLines } = await import('../me-lines.js')
        output.result(
          me,
          meLines(me, { serverUrl: antipasto.connection.url, tokenSource: settings.tokenSource }),
        )
      }),
    )
}
