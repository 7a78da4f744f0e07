import { Command, Option } from 'commander'
import type { LsOptions } from '../listing.js'
import { action } from '../session.js'
import { UPLOAD_STATES } from '../upload-states.js'

export function lsCommand(): Command {
  return new Command('ls')
    .summary('lists your uploads, or packages')
    .description('Lists your uploads, or packages, newest first.')
    .option('--label <label>', 'only with this label')
    .option('--package <package>', 'only in this package: its id or its label')
    .addOption(
      // Each of them is held against the choices, and the list of them grows.
      new Option('--state <states...>', 'only in these states').choices(UPLOAD_STATES),
    )
    .option('--q <text>', 'only with this text in the name, path, label or key')
    .option('--packages', 'packages instead of uploads')
    .option('--all', 'also what was canceled, deleted or has expired')
    .option('-l, --long', 'with ids and labels')
    .addHelpText(
      'after',
      `
Examples:
  $ antipasto ls --label lakes-2026
  $ antipasto ls --state receiving failed --long
  $ antipasto ls --packages
  $ antipasto ls --all --json | jq -r 'select(.error) | .filename + ": " + .error.detail'`,
    )
    .action(
      action(async (session, options: LsOptions) => {
        const { listPackages, listUploads } = await import('../listing.js')
        await (options.packages === true ? listPackages(session, options) : listUploads(session, options))
      }),
    )
}
