// The commands: serve, migrate, sweep, database, keys. Everything they need is read here and handed down.

import { openApiKeys } from './auth/api-keys.js'
import { runKeysCommand } from './auth/keys-command.js'
import { composeService } from './compose.js'
import {
  type Config,
  ConfigError,
  loadEnvironment,
  optionsKeptByNpm,
  readConfig,
  silenceSdkNotice,
} from './config.js'
import { openDatabase } from './database/client.js'
import { runDatabaseCommand } from './database/database-command.js'
import { type OpenOptions, openMigratedDatabase } from './database/open.js'
import { AppError } from './errors.js'
import { createLog } from './ops/log.js'
import { patientStart, type UntilThere } from './ops/patient-start.js'
import { serve } from './serve.js'
import { runSweepCommand, SWEEP_OPTIONS } from './sweep/command.js'

const USAGE = `Usage: node dist/server/main.js COMMAND
  serve                        serve until SIGTERM or Ctrl-C
  migrate                      bring the database to the newest migration
  sweep [--dry-run]            expire and clean up once, and say what was done
  sweep --reconcile            compare the records with the store; "sweep --help" tells more
  database dump|restore FILE   the whole database to a file, and back
  keys create|list|revoke      manage API keys; "keys help" tells more`

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Options that change what a command does so much that it must not run without them unnoticed. */
const OPTIONS: Record<string, readonly string[]> = {
  sweep: SWEEP_OPTIONS,
  keys: ['name', 'scopes', 'owner', 'groups', 'expires'],
}

const COMMANDS: Record<string, (config: Config, argv: string[]) => Promise<void>> = {
  serve: (config) => serve(config, print),
  migrate: (config) =>
    besideServer(config, async () => print('The database is at the newest migration.'), {
      log: print,
      untilThere: untilThere(config),
    }),
  sweep: sweepOnce,
  database: (config, argv) => runDatabaseCommand(config, argv, print),
  keys: manageKeys,
}

/** What runs before a server waits as it does; who types a command wants to know at once. */
function untilThere({ startTimeoutSeconds: timeoutSeconds }: Config): UntilThere {
  return patientStart({
    timeoutSeconds,
    log: createLog({ level: 'info' }),
    signal: new AbortController().signal,
  })
}

/** Runs a command that may stand beside a running server, on its database. */
async function besideServer(
  config: Config,
  act: (databaseUrl: string) => Promise<void>,
  options: Omit<OpenOptions, 'isBesideServer'> = { log: () => {} },
): Promise<void> {
  const database = await openMigratedDatabase(config, { ...options, isBesideServer: true })
  try {
    await act(database.databaseUrl)
  } finally {
    await database.stop()
  }
}

function sweepOnce(config: Config, argv: string[]): Promise<void> {
  return besideServer(config, async (databaseUrl) => {
    const log = createLog({ level: 'warn' })
    const service = await composeService({ config, databaseUrl, log, publicUrl: () => '' })
    try {
      process.exitCode = await runSweepCommand(argv, service, print)
    } finally {
      await service.close()
    }
  })
}

function manageKeys(config: Config, argv: string[]): Promise<void> {
  return besideServer(config, async (databaseUrl) => {
    const database = await openDatabase(databaseUrl)
    try {
      await runKeysCommand(argv, openApiKeys(database.prisma, { upload: [], read: [], delete: [] }), print)
    } finally {
      await database.close()
    }
  })
}

async function main([name, ...argv]: string[]): Promise<void> {
  const command = COMMANDS[name ?? '']
  if (command === undefined) throw new AppError('INVALID_INPUT', USAGE)
  const environment = loadEnvironment()
  const [kept] = optionsKeptByNpm(environment, OPTIONS[name ?? ''] ?? [])
  if (kept !== undefined) {
    throw new AppError(
      'INVALID_INPUT',
      `npm kept --${kept} for itself. Put "--" before it: npm run ${name} -- … --${kept}`,
    )
  }
  silenceSdkNotice()
  await command(readConfig(environment), argv)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  // Expected refusals say what to do; anything else is a bug and shows where it is.
  const isExpected = error instanceof AppError || error instanceof ConfigError
  const told = error instanceof AppError ? error.detail : error instanceof ConfigError ? error.message : error
  process.stderr.write(
    isExpected ? `antipasto: ${told}\n` : `antipasto: ${(error as Error).stack ?? String(error)}\n`,
  )
  process.exitCode = 1
}
