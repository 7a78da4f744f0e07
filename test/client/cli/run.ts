// The real command `antipasto` as a process of its own, at home in a folder of its own.
//
//   const { exitCode, stdout, stderr } = await runCli(['ls', '--json'], { server })
//   const running = startCli(['push', 'data'], { server, home }); …; running.kill('SIGINT'); await running.ended
//   const { screen } = await runInTerminal(['ls'], { server, columns: 80 })

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The compiled binary. */
export const MAIN = fileURLToPath(new URL('../../../client/cli/main.js', import.meta.url))

export interface CliOptions {
  /** Given as ANTIPASTO_URL and ANTIPASTO_TOKEN. */
  server?: { readonly url: string; readonly key: string }
  /** Over PATH, HOME and what `server` gives; undefined takes one away. Nothing else of this process's is passed. */
  env?: Readonly<Record<string, string | undefined>>
  /** For stdin, which is then at its end. */
  input?: string | Buffer
  cwd?: string
  /** Default: a new folder, removed when the process has ended. Config and state are in it. */
  home?: string
  /** Sends the signal (SIGINT) after so long. */
  signalAfter?: { milliseconds: number; signal?: NodeJS.Signals }
  /** Options for Node, before the binary: `--cpu-prof`, say. */
  nodeOptions?: readonly string[]
}

export interface CliResult {
  /** Null when a signal ended it. */
  exitCode: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface RunningCli {
  readonly child: ChildProcess
  readonly pid: number
  /** What it has written so far. */
  stdout(): string
  stderr(): string
  kill(signal: NodeJS.Signals): void
  /** Resolves when it has ended and its streams are read. */
  readonly ended: Promise<CliResult>
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const home = options.home ?? (await makeHome())
  try {
    const running = startCli(args, { ...options, home })
    const { signalAfter } = options
    const timer =
      signalAfter && setTimeout(() => running.kill(signalAfter.signal ?? 'SIGINT'), signalAfter.milliseconds)
    const result = await running.ended
    clearTimeout(timer)
    return result
  } finally {
    if (options.home === undefined) await rm(home, { recursive: true, force: true })
  }
}

/** `home` must be given: who starts it decides when its folder may go. */
export function startCli(args: readonly string[], options: CliOptions & { home: string }): RunningCli {
  const command = [...(options.nodeOptions ?? []), MAIN, ...args]
  return watch(
    spawn(process.execPath, command, {
      cwd: options.cwd ?? options.home,
      env: environmentOf(options),
      stdio: 'pipe',
    }),
    options.input,
  )
}

export interface TerminalOptions extends CliOptions {
  columns?: number
  rows?: number
}

/** On a pseudo-terminal. `typed` is what a person types; `screen` is all that was written. */
export async function runInTerminal(
  args: readonly string[],
  options: TerminalOptions & { typed?: string } = {},
): Promise<{ exitCode: number | null; screen: string }> {
  const home = options.home ?? (await makeHome())
  try {
    const { exitCode, stdout } = await startInTerminal(args, { ...options, home }).ended
    return { exitCode, screen: stdout.replaceAll('\r\n', '\n') }
  } finally {
    if (options.home === undefined) await rm(home, { recursive: true, force: true })
  }
}

/** By script(1): stdin, stdout and stderr are the terminal, `stdout()` is its screen, and ctrl-C is typed: \x03 to stdin. */
export function startInTerminal(
  args: readonly string[],
  options: TerminalOptions & { home: string; typed?: string },
): RunningCli {
  const { columns = 80, rows = 24, typed } = options
  const command = [process.execPath, MAIN, ...args].map(quoted).join(' ')
  return watch(
    spawn('script', ['-qefc', `stty cols ${columns} rows ${rows}; exec ${command}`, '/dev/null'], {
      cwd: options.cwd ?? options.home,
      env: { TERM: 'xterm-256color', SHELL: '/bin/sh', ...environmentOf(options) },
      stdio: 'pipe',
    }),
    typed,
    { keepsStdin: true },
  )
}

/** A home that outlives a run: for what is kept between them. The caller removes it. */
export function makeHome(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 'antipasto-home-'))
}

/** What --json wrote, one value a line. */
export function jsonLines(stdout: string): unknown[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}

function watch(child: ChildProcess, input?: string | Buffer, { keepsStdin = false } = {}): RunningCli {
  const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  child.stdout?.on('data', (chunk: Buffer) => written.stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => written.stderr.push(chunk))
  // One that ends without reading its input is no fault of the test's.
  child.stdin?.on('error', () => {})
  if (input !== undefined) child.stdin?.write(input)
  if (!keepsStdin) child.stdin?.end()
  const text = (stream: 'stdout' | 'stderr') => Buffer.concat(written[stream]).toString()
  return {
    child,
    get pid() {
      if (child.pid === undefined) throw new Error('The process did not start.')
      return child.pid
    },
    stdout: () => text('stdout'),
    stderr: () => text('stderr'),
    kill: (signal) => child.kill(signal),
    // 'close' rather than 'exit': then all it wrote is there.
    ended: once(child, 'close').then(([exitCode, signal]: unknown[]) => ({
      exitCode: typeof exitCode === 'number' ? exitCode : null,
      signal: (signal as NodeJS.Signals | null) ?? null,
      stdout: text('stdout'),
      stderr: text('stderr'),
    })),
  }
}

function environmentOf({ server, env, home }: CliOptions): NodeJS.ProcessEnv {
  const variables = {
    PATH: process.env.PATH,
    HOME: home,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    ...(server === undefined ? {} : { ANTIPASTO_URL: server.url, ANTIPASTO_TOKEN: server.key }),
    ...env,
  }
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined))
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
