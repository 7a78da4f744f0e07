#!/usr/bin/env node
// A stand-in for Prisma's native schema engine, which would have to be downloaded from outside the package registry.
// It speaks the same JSON-RPC on stdio (one message a line) and runs Prisma's own engine compiled to WebAssembly
// over the `pg` driver. Only the CLI starts it (prisma.config.ts names it); the server never does.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import readline from 'node:readline'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import * as wasm from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'

const require = createRequire(import.meta.url)

// ---- The command line -----------------------------------------------------------------------------------------------

const commandLine = process.argv.slice(2)

/** Every value given for the option `name`, in order. */
const optionValues = (name) => commandLine.flatMap((word, i) => (word === name ? [commandLine[i + 1]] : []))

/** `{ url?, shadowDatabaseUrl? }`, as the CLI read them from prisma.config.ts. */
const datasource = JSON.parse(optionValues('--datasource')[0] ?? '{}')

// ---- Connections ----------------------------------------------------------------------------------------------------

// Prisma's own URL parameters, which the driver doesn't know.
const PRISMA_PARAMETERS = ['schema', 'connection_limit', 'pool_timeout', 'connect_timeout', 'pgbouncer']

/** The driver's URL for the datasource's `url`, with another database's name when one is given. */
function driverUrl(url, databaseName) {
  const result = new URL(url)
  for (const name of PRISMA_PARAMETERS) result.searchParams.delete(name)
  if (databaseName !== undefined) result.pathname = `/${encodeURIComponent(databaseName)}`
  return result.toString()
}

/** Runs `work` on a connection of its own. */
async function withClient(connectionString, work) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

// Types of the system catalogues ("char", name arrays, reg* …) that the engine selects and adapter-pg refuses to read.
const CHAR_TYPE = 18
const CATALOGUE_TYPES = new Set([CHAR_TYPE, 22, 24, 30, 194, 2205, 2206, 4089, 4096, 3769, 3734])
const TEXT_TYPE = 25

/** For a result's rows: which of its columns are a "char", in which the engine expects a character and not a text. */
const charColumns = new WeakMap()

/** A pool that reports catalogue types as text, and remembers which were a "char". */
class CataloguePool extends pg.Pool {
  async query(...args) {
    const answer = await super.query(...args)
    for (const result of [answer].flat()) {
      const fields = result.fields ?? []
      charColumns.set(
        result.rows,
        new Set(fields.flatMap((field, i) => (field.dataTypeID === CHAR_TYPE ? [i] : []))),
      )
      for (const field of fields) {
        if (CATALOGUE_TYPES.has(field.dataTypeID)) field.dataTypeID = TEXT_TYPE
      }
    }
    return answer
  }
}

const openAdapters = new Set()

async function openAdapter(url, { databaseName, afterClose } = {}) {
  const schema = new URL(url).searchParams.get('schema') ?? 'public'
  const pool = new CataloguePool({
    connectionString: driverUrl(url, databaseName),
    max: 1,
    options: `-c search_path="${schema}"`,
  })
  const adapter = await new PrismaPg(pool, { schema, onPoolError() {}, onConnectionError() {} }).connect()
  // adapter-pg cuts a script at every semicolon, in string literals and $$ bodies too: send it whole.
  adapter.executeScript = async (script) => {
    try {
      await pool.query(script)
    } catch (error) {
      adapter.onError(error)
    }
  }
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (query) => {
    const { columnTypes, ...result } = await queryRaw(query)
    const chars = charColumns.get(result.rows)
    return {
      ...result,
      columnTypes: columnTypes.map((type, i) => (chars?.has(i) ? ColumnTypeEnum.Character : type)),
    }
  }
  let closed
  adapter.dispose = () => {
    closed ??= (async () => {
      openAdapters.delete(adapter)
      await pool.end()
      await afterClose?.()
    })()
    return closed
  }
  openAdapters.add(adapter)
  return adapter
}

/** A database to replay migrations in: the one configured, or a new one that is dropped when it is closed. */
async function openShadowDatabase() {
  if (datasource.shadowDatabaseUrl) return openAdapter(datasource.shadowDatabaseUrl)
  const databaseName = `prisma_migrate_shadow_db_${randomUUID()}`
  const run = (sql) => withClient(driverUrl(datasource.url), (client) => client.query(sql))
  await run(`CREATE DATABASE "${databaseName}"`)
  const afterClose = () => run(`DROP DATABASE IF EXISTS "${databaseName}" WITH (FORCE)`)
  return openAdapter(datasource.url, { databaseName, afterClose })
}

function requireUrl() {
  if (!datasource.url) throw new Error('This command needs a database: set DATABASE_URL.')
}

const adapterFactory = bindMigrationAwareSqlAdapterFactory({
  provider: 'postgres',
  adapterName: '@prisma/adapter-pg',
  async connect() {
    requireUrl()
    return openAdapter(datasource.url)
  },
  async connectToShadowDb() {
    requireUrl()
    return openShadowDatabase()
  },
})

// ---- `schema-engine cli can-connect-to-database|create-database|drop-database` --------------------------------------

const PRISMA_CODES = { '3D000': 'P1003', '28P01': 'P1000', 28000: 'P1010', '42P04': 'P1009' }

function describeFailure(error, databaseName) {
  const code = PRISMA_CODES[error.code] ?? 'P1001'
  if (code === 'P1003') return { code, message: `Database \`${databaseName}\` does not exist` }
  if (code === 'P1009') return { code, message: `Database \`${databaseName}\` already exists on the server` }
  const { hostname, port } = new URL(datasource.url)
  const reason = error.message || error.code
  return { code, message: `Can't reach database server at \`${hostname}:${port || 5432}\`: ${reason}` }
}

async function runDatabaseCommand(command) {
  const databaseName = decodeURIComponent(new URL(datasource.url).pathname.slice(1))
  const quotedName = pg.escapeIdentifier(databaseName)
  const onServer = (sql) => withClient(driverUrl(datasource.url, 'postgres'), (client) => client.query(sql))
  process.stderr.write('\n') // The CLI drops the first line before it parses the rest.
  try {
    if (command === 'can-connect-to-database') await withClient(driverUrl(datasource.url), async () => {})
    else if (command === 'create-database') await onServer(`CREATE DATABASE ${quotedName}`)
    else if (command === 'drop-database') await onServer(`DROP DATABASE ${quotedName} WITH (FORCE)`)
    return 0
  } catch (error) {
    const { code, message } = describeFailure(error, databaseName)
    const fields = { message, error_code: code, is_panic: false }
    const line = { timestamp: new Date().toISOString(), level: 'ERROR', fields, target: 'schema_engine' }
    process.stderr.write(`${JSON.stringify(line)}\n`)
    return 1
  }
}

// ---- The engine, over JSON-RPC --------------------------------------------------------------------------------------

async function loadEngine() {
  // The name by which the WebAssembly build reports a panic.
  globalThis.PRISMA_WASM_PANIC_REGISTRY = {
    message: '',
    set_message(message) {
      this.message = message
    },
  }
  const file = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/\.js$/, '.wasm')
  const { instance } = await WebAssembly.instantiate(readFileSync(file), { './schema_engine_bg.js': wasm })
  wasm.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
}

const datamodels = optionValues('--datamodels').map((path) => [path, readFileSync(path, 'utf8')])

/** A new engine for each request, so that no connection and no cached schema outlives it. */
const newEngine = () =>
  wasm.SchemaEngine.new(datamodels.length > 0 ? { datamodels } : {}, () => {}, adapterFactory)

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
let nextPrintId = 1_000_000 // Apart from the CLI's own ids, which count from 1.

async function perform(method, params) {
  if (method === 'createDatabase') return { databaseName: new URL(datasource.url).pathname.slice(1) }
  const engine = await newEngine()
  if (method === 'getDatabaseVersion') return engine.version(params)
  if (method === 'diff') {
    const { stdout, ...result } = await engine.diff(params)
    if (stdout) send({ id: nextPrintId++, method: 'print', params: { content: stdout.replace(/\n$/, '') } })
    return result
  }
  if (method === 'evaluateDataLoss' || method === 'createMigration') {
    // These two find the migrations' schema only in the engine's cache (they never open a shadow database):
    // devDiagnostic fills it.
    await engine.devDiagnostic({ migrationsList: params.migrationsList, filters: params.filters })
  }
  return engine[method](params)
}

function describeError(error) {
  const original = adapterFactory.errorRegistry?.lookupError?.(error)?.error ?? error
  const isPanic = error?.name === 'RuntimeError'
  const message = isPanic ? globalThis.PRISMA_WASM_PANIC_REGISTRY.message : original.message
  return {
    code: 4466,
    message,
    data: {
      is_panic: isPanic,
      message,
      meta: original.meta ?? null,
      error_code: original.code ?? null,
      error: { message },
    },
  }
}

async function answer({ id, method, params }) {
  try {
    send({ id, result: (await perform(method, params)) ?? null })
  } catch (error) {
    send({ id, error: describeError(error) })
  } finally {
    for (const adapter of openAdapters) await adapter.dispose()
  }
}

async function serveRequests() {
  await loadEngine()
  let current
  // The engine panics in a callback of its own, where nobody catches it. Unanswered, the CLI would report success.
  process.once('uncaughtException', (error) => {
    send({ id: current, error: describeError(error) })
    process.exit(1)
  })
  // One after the other: the CLI may send the next request before the last one is answered.
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (line.trim() === '') continue
    const message = JSON.parse(line)
    current = message.id
    if (message.method !== undefined) await answer(message) // Without a method it is the answer to a `print`.
  }
  return 0
}

async function main() {
  if (commandLine.includes('--version')) {
    console.log(`schema-engine-wasm ${require('@prisma/engines-version').enginesVersion}`)
    return 0
  }
  const cli = commandLine.indexOf('cli')
  return cli < 0 ? serveRequests() : runDatabaseCommand(commandLine[cli + 1])
}

process.exit(await main())
