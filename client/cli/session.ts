// What every command begins with: settings, the server, how to speak, when to stop. And how it ends: one line, one code.

import type { Command } from 'commander'
import type { Antipasto } from '../api/antipasto.js'
import type { Network } from '../api/node/dispatcher.js'
import { CommandFailed, EXIT, exitCodeOf, Interrupted } from './exit-code.js'
import type { Output } from './output.js'
import { waitWords } from './progress/wait-words.js'
import type { GlobalFlags, Settings } from './settings.js'

export interface Session {
  readonly antipasto: Antipasto
  readonly output: Output
  readonly settings: Settings
  /** Ctrl-C and SIGTERM; the second one ends the process at once. */
  readonly signal: AbortSignal
  /** For `send`. */
  readonly httpStack: Network['httpStack']
}

/** Until the server has answered for the first time, a wrong URL is likelier than a bad moment. */
const FIRST_PATIENCE_SECONDS = 5
const PATIENCE_SECONDS = 300

/** Without a server: for commands that can do without one. */
export interface Ground {
  readonly output: Output
  readonly settings: Settings
  readonly flags: GlobalFlags
  readonly signal: AbortSignal
}

async function openGround(command: Command): Promise<Ground> {
  const [{ readSettings }, output] = await Promise.all([import('./settings.js'), openOutput(command)])
  const flags = flagsOf(command)
  return { output, flags, settings: await readSettings(flags), signal: interruptSignal() }
}

/** @throws CommandFailed (2) when no server is named anywhere, or something is given wrong */
export async function openSession(command: Command): Promise<Session> {
  const ground = await openGround(command)
  return sessionOn(ground)
}

/** The session of a server; `settings` say which. */
export async function sessionOn({ output, flags, settings, signal }: Ground): Promise<Session> {
  if (settings.url === null) {
    throw new CommandFailed('Which server? No URL is given.', {
      exitCode: EXIT.usage,
      hint: 'Give it by --url or ANTIPASTO_URL, or once and for all with `antipasto login --url https://…`.',
    })
  }
  const [{ Antipasto }, { sessionCredentials }, { openNetwork }, { observedFetch }] = await Promise.all([
    import('../api/antipasto.js'),
    import('./credentials.js'),
    import('../api/node/dispatcher.js'),
    import('./observed-fetch.js'),
  ])
  const credentials = sessionCredentials(flags, settings, output, signal)
  const network = openNetwork()
  let hasAnswered = false
  const antipasto = new Antipasto({
    url: settings.url,
    credentials,
    fetch: observedFetch(network.fetch, {
      onAnswer(answer, wasSignedIn) {
        // Every answer of the server's has one; a captive portal's page hasn't.
        const isServers = answer.headers.has('x-request-id')
        hasAnswered ||= isServers
        if (answer.ok && wasSignedIn && isServers) credentials.wasAccepted()
      },
      ...(output.isVerbose ? { onLine: (line: string) => output.warn(line) } : {}),
    }),
    patienceSeconds: () => (hasAnswered ? PATIENCE_SECONDS : FIRST_PATIENCE_SECONDS),
    onWait: (wait) => output.note(`${waitWords(wait)}.`),
  })
  return { antipasto, output, settings, signal, httpStack: network.httpStack }
}

/**
 * Makes a commander action of `handler`, which gets the session before its own arguments, and may answer an exit code.
 *
 * What it throws is told in one line on stderr, or with --json as `{"error": …}` on stdout, and decides the exit code.
 */
export function action<Arguments extends readonly unknown[]>(
  handler: (session: Session, ...args: Arguments) => Promise<void> | Promise<number | undefined>,
): (...args: unknown[]) => Promise<void> {
  return commandAction(openSession, handler)
}

/** The same for commands that do without a server. */
export function groundAction<Arguments extends readonly unknown[]>(
  handler: (ground: Ground, ...args: Arguments) => Promise<void> | Promise<number | undefined>,
): (...args: unknown[]) => Promise<void> {
  return commandAction(openGround, handler)
}

function commandAction<
  Opened extends { signal: AbortSignal; settings: Settings },
  Arguments extends readonly unknown[],
>(
  open: (command: Command) => Promise<Opened>,
  handler: (opened: Opened, ...args: Arguments) => Promise<void> | Promise<number | undefined>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command // commander hands it over last
    let opened: Opened | undefined
    try {
      opened = await open(command)
      // Commander checked the arguments against the command that the handler belongs to.
      const exitCode = await handler(opened, ...(args as unknown as Arguments))
      process.exitCode = exitCode ?? EXIT.ok
    } catch (error) {
      const told = opened?.signal.aborted === true ? new Interrupted() : error
      process.exitCode = exitCodeOf(told)
      await tell(told, command, opened?.settings)
    } finally {
      ignoreInterrupts()
    }
  }
}

async function tell(error: unknown, command: Command, settings: Settings | undefined): Promise<void> {
  const [output, { failureOf, failureLine }] = await Promise.all([
    openOutput(command),
    import('./failure.js'),
  ])
  const failure = failureOf(error, settings?.tokenSource)
  // Behind the ^C that the terminal shows.
  if (error instanceof Interrupted && output.isTerminal) output.warn('')
  if (output.isJson) output.result({ error: failure })
  else output.warn(`${output.colors.red('antipasto:')} ${failureLine(failure)}`)
  if (output.isVerbose && error instanceof Error && error.stack !== undefined) output.warn(error.stack)
}

/** What it says even when settings can't be read. */
async function openOutput(command: Command): Promise<Output> {
  const [{ createOutput }, { colorChoice, readEnvironment }] = await Promise.all([
    import('./output.js'),
    import('./settings.js'),
  ])
  const flags = flagsOf(command)
  return createOutput({
    stdout: process.stdout,
    stderr: process.stderr,
    isJson: flags.json === true,
    isQuiet: flags.quiet === true,
    isVerbose: flags.verbose === true,
    hasColor: colorChoice(flags, readEnvironment()),
  })
}

function flagsOf(command: Command): GlobalFlags {
  return command.optsWithGlobals<GlobalFlags>()
}

let interruption: AbortController | undefined

function interruptSignal(): AbortSignal {
  if (interruption === undefined) {
    interruption = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onInterrupt)
  }
  return interruption.signal
}

function onInterrupt(): void {
  if (interruption?.signal.aborted !== false) process.exit(EXIT.interrupted)
  interruption.abort(new Interrupted())
}

function ignoreInterrupts(): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onInterrupt)
}
