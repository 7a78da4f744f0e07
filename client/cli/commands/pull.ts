// antipasto pull: files from the server to a folder here.

import { Command } from 'commander'
import { jobCount } from '../job-count.js'
import type { PullFlags } from '../pull/command.js'
import { action } from '../session.js'

const EXAMPLES = `
Examples:
  $ antipasto pull --label lakes-2026 data/        every file of a label, with its path, under data/
  $ antipasto pull 3f0c…a1 temperature.csv         one upload, by its id, to a file
  $ antipasto pull 3f0c…a1                         the same under its own name, into this folder
  $ antipasto pull https://staging.example.org/r/…/temperature.csv

The same command again goes on where it stopped: what is here already is compared and kept.
A local file that differs is left alone, unless --force replaces it.`

export function pullCommand(): Command {
  return new Command('pull')
    .summary('fetches and verifies uploads')
    .description('Fetches an upload, or all of a package or label, and verifies it.')
    .argument('[what]', 'id or URL of an upload, id or label of a package, or a retrieval URL')
    .argument('[target]', 'the file or folder to write (default: this folder)')
    .option('--label <label>', 'all that is ready under this label')
    .option('--jobs <n>', 'so many files at once', jobCount, 4)
    .option('--no-verify', 'does not compare the digests of what has come')
    .option('--force', 'replaces local files that differ')
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (session, what: string | undefined, target: string | undefined, flags: PullFlags) => {
        const { pull } = await import('../pull/command.js')
        return pull(session, { what, target, flags })
      }),
    )
}
