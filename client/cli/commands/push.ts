// antipasto push: files and folders from here to the server.

import { Command, Option } from 'commander'
import { jobCount } from '../job-count.js'
import { collected, durationOption } from '../option-values.js'
import type { PushFlags } from '../push/command.js'
import { sizeOption } from '../push/size-option.js'
import { action } from '../session.js'

const EXAMPLES = `
Examples:
  $ antipasto push data/ --label lakes-2026              what is in data, under its paths there
  $ antipasto push data --label lakes-2026               the same, under data/…
  $ antipasto push data/ --label lakes-2026 --finalize   and freezes the package when all is there
  $ antipasto push . --exclude '*.tmp' --exclude .git/   without some
  $ antipasto push big.nc --endpoint https://tus.example.org/files/

The same command again goes on where it stopped, after a crash or a reboot, too, and sends only what is not there
yet. Ctrl-C pauses. Links to files are followed, links to folders only with --follow.`

const GIVE_UP_AFTER_SECONDS = 24 * 60 * 60

export function pushCommand(): Command {
  return new Command('push')
    .summary('sends files and folders, and goes on after breaks')
    .description('Sends files and folders, goes on after whatever breaks, and verifies what has arrived.')
    .argument('<paths...>', 'files and folders; a folder with a slash at its end: only what is in it')
    .option('--label <label>', 'puts them into your open package of this label, which is made if need be')
    .option('--package <id>', 'puts them into this package')
    .option('--finalize', 'freezes the package when everything has arrived')
    .option('--jobs <n>', 'so many files at once (default: 4 large and 12 small ones)', jobCount)
    .option(
      '--chunk <size>',
      'at most so much in one request, like 64MiB, where a proxy wants that',
      sizeOption,
    )
    .option('--parallel <n>', 'sends each large file in so many parts at once', jobCount, 1)
    .option('--verify', 'reads the local files once more after all, and compares them with what arrived')
    .option('--include <glob>', "only files like this, as '*.csv' or 'raw/**'; may be repeated", collected)
    .option('--exclude <glob>', 'not these files or folders; may be repeated', collected)
    .option('--follow', 'enters links to folders outside of what is pushed, too')
    .option('--endpoint <url>', 'sends to any tus server, without packages and reports')
    .addOption(
      new Option('--give-up-after <time>', 'how long to go on without one more byte')
        .argParser(durationOption)
        .default(GIVE_UP_AFTER_SECONDS, '24h'),
    )
    .option('--dry-run', 'only says what would be sent')
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (session, paths: string[], flags: PushFlags) => {
        const { push } = await import('../push/command.js')
        return push(session, paths, flags)
      }),
    )
}
