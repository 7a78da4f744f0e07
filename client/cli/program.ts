// The tree of commands, their options and their help. What they do is loaded when one runs: `--help` must not wait.

import { Command } from 'commander'
import { completionCommand } from './commands/completion.js'
import { doctorCommand } from './commands/doctor.js'
import { emlCommand } from './commands/eml.js'
import { eventsCommand } from './commands/events.js'
import { extendCommand } from './commands/extend.js'
import { loginCommand, logoutCommand } from './commands/login.js'
import { lsCommand } from './commands/ls.js'
import { manifestCommand } from './commands/manifest.js'
import { pullCommand } from './commands/pull.js'
import { pushCommand } from './commands/push.js'
import { rmCommand } from './commands/rm.js'
import { showCommand } from './commands/show.js'
import { urlCommand } from './commands/url.js'
import { verifyCommand } from './commands/verify.js'
import { whoamiCommand } from './commands/whoami.js'
import { version } from './version.js'

const EXAMPLES = `
Examples:
  $ antipasto login --url https://staging.example.org   sign in once
  $ antipasto push data/ --label lakes-2026             send a folder
  $ antipasto push data/ --label lakes-2026             the same again goes on where it stopped
  $ antipasto ls --label lakes-2026                     what is there
  $ antipasto eml patch lakes.xml --label lakes-2026    the EML document with sizes, checksums and URLs

Exit codes: 0 all done, 1 failed, 2 wrong usage, 3 some failed, 4 not signed in or not allowed,
5 bytes differ, 130 interrupted.`

/** A new tree: a parsed one keeps what it has read. `isJson`: usage errors are told by the caller. */
export function createProgram({ isJson = false } = {}): Command {
  const program = new Command('antipasto')
    .description('Sends research data to an antipasto server, over bad networks and for days if need be.')
    .version(version(), '-V, --version', 'the version of this program')
    .option('--url <url>', 'the server (or ANTIPASTO_URL)')
    .option('--token <token>', 'a key or a token (better: ANTIPASTO_TOKEN, or `antipasto login`)')
    .option('--json', 'for programs: one JSON object, or one a line')
    .option('--quiet', 'no progress and no remarks')
    .option('--verbose', 'every request, and where errors come from')
    .option('--no-color', 'no colours (or NO_COLOR)')
    .helpOption('-h, --help', 'what it does, its options, examples')
    .helpCommand('help [command]', 'the help of a command')
    .addHelpText('after', EXAMPLES)
  for (const command of commands()) program.addCommand(command)
  settle(program, program, isJson)
  return program
}

/** In the order of the help: as people meet them. */
function commands(): Command[] {
  return [
    loginCommand(),
    pushCommand(),
    lsCommand(),
    showCommand(),
    pullCommand(),
    verifyCommand(),
    rmCommand(),
    extendCommand(),
    urlCommand(),
    manifestCommand(),
    emlCommand(),
    eventsCommand(),
    whoamiCommand(),
    doctorCommand(),
    logoutCommand(),
    completionCommand(createProgram),
  ]
}

/** What all commands share. Commander hands it down only to those that it makes itself. */
function settle(command: Command, program: Command, isJson: boolean): void {
  command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => {
        if (!isJson) write(usageLine(text, pathOf(command, program)))
      },
    })
  if (command !== program) command.helpOption('-h, --help', 'what it does, its options, examples')
  for (const below of command.commands) settle(below, program, isJson)
}

/** "error: unknown option '--labl'\n(Did you mean --label?)" as one line that says where help is. */
function usageLine(text: string, commandPath: string): string {
  const [first = '', ...rest] = text.trim().split('\n')
  const sentence = first.replace(
    /^error: (.)(.*?)\.?$/s,
    (_, letter: string, words: string) => `${letter.toUpperCase()}${words}.`,
  )
  const suggestion = rest.join(' ').replace(/^\((.*)\)$/, '$1')
  return `antipasto: ${[sentence, suggestion, `See \`${commandPath} --help\`.`].filter((part) => part !== '').join(' ')}\n`
}

function pathOf(command: Command, program: Command): string {
  const names: string[] = []
  for (let at: Command | null = command; at !== null; at = at === program ? null : at.parent)
    names.unshift(at.name())
  return names.join(' ')
}
