// antipasto verify: local files against the server, without moving them.

import { Command } from 'commander'
import { jobCount } from '../job-count.js'
import { action } from '../session.js'
import type { VerifyFlags } from '../verify/command.js'

const EXAMPLES = `
Examples:
  $ antipasto verify data/ --label lakes-2026   by path: same, differs, missing here or there
  $ antipasto verify temperature.csv            by content: is it anywhere on the server?
  $ antipasto verify data --package 3f0c…a1 --json

Paths are the ones that push gives: use the words that you pushed with. Nothing is sent but digests.
Exit codes: 0 all the same, 5 something differs or is missing, 3 or 1 when files could not be read.`

export function verifyCommand(): Command {
  const collect = (glob: string, globs: string[]) => [...globs, glob]
  return new Command('verify')
    .summary('compares local files with the server')
    .description('Compares local files with the server, without moving them.')
    .argument('<path...>', 'files and folders')
    .option('--label <label>', 'compares with what is under this label, path by path')
    .option('--package <id>', 'compares with what is in this package, path by path')
    .option('--jobs <n>', 'so many files at once', jobCount, 2)
    .option('--include <glob>', 'only files that match (may be repeated)', collect, [])
    .option('--exclude <glob>', 'not those that match (may be repeated)', collect, [])
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (session, paths: string[], flags: VerifyFlags) => {
        const { verify } = await import('../verify/command.js')
        return verify(session, paths, flags)
      }),
    )
}
