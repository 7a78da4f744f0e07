// antipasto login and logout.

import { Command, Option } from 'commander'
import { durationOption } from '../option-values.js'
import { groundAction } from '../session.js'
import type { LoginFlags } from '../sign-in/login.js'

const LOGIN_EXAMPLES = `
Examples:
  $ antipasto login --url https://staging.example.org            in the browser, where the server offers that
  $ antipasto login --url https://staging.example.org --provider orcid
  $ antipasto login --key-stdin < key.txt                        with a key that you were given

A sign-in in the browser makes a key for this computer, which lasts 30 days: --keep says how long, and
--keep 0 keeps the token itself, which ends after some hours. \`antipasto logout\` revokes that key.`

const LOGOUT_EXAMPLES = `
Examples:
  $ antipasto logout                                       of the server that login set
  $ antipasto logout --url https://staging.example.org`

export function loginCommand(): Command {
  return new Command('login')
    .summary('signs in')
    .description('Signs in, and keeps the credential for later commands.')
    .option('--key <key>', 'an API key (better: --key-stdin, which others on this computer cannot see)')
    .option('--key-stdin', 'reads the key from standard input')
    .option('--provider <name>', 'who knows you: github, google, microsoft, orcid or pasta')
    .option('--no-browser', 'only says the URL to open')
    .addOption(
      new Option('--keep <time>', 'how long the sign-in lasts, like 12h or 30d; 0: as long as its token')
        .argParser(keepOption)
        .default(30 * 86_400, '30d'),
    )
    .addHelpText('after', LOGIN_EXAMPLES)
    .action(
      groundAction(async (ground, flags: LoginFlags) => {
        const { login } = await import('../sign-in/login.js')
        await login(ground, flags)
      }),
    )
}

export function logoutCommand(): Command {
  return new Command('logout')
    .summary('signs out')
    .description('Forgets the credential, and revokes the key that login made.')
    .addHelpText('after', LOGOUT_EXAMPLES)
    .action(
      groundAction(async (ground) => {
        const { logout } = await import('../sign-in/logout.js')
        return logout(ground)
      }),
    )
}

/** Seconds. */
function keepOption(text: string): number {
  return text.trim() === '0' ? 0 : durationOption(text)
}
