// antipasto doctor: what is between here and the server, and what is wrong with it.

import { Command } from 'commander'
import type { DoctorFlags } from '../doctor/command.js'
import { groundAction } from '../session.js'

const EXAMPLES = `
Examples:
  $ antipasto doctor                 name, connection, server, clock, credential, limits
  $ antipasto doctor --speed         and a small upload, which is deleted again
  $ antipasto doctor --json          one check a line

Exit codes: 0 all is well, 1 something failed, 4 only the credential is missing or not good enough.`

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('looks for what may be wrong')
    .description('Looks at all that a push needs, and says what to do about what is wrong.')
    .option('--speed', 'measures with a small upload how fast bytes go, and whether a proxy keeps them')
    .addHelpText('after', EXAMPLES)
    .action(
      groundAction(async (ground, flags: DoctorFlags) => {
        const { doctor } = await import('../doctor/command.js')
        return doctor(ground, flags)
      }),
    )
}
