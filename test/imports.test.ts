// The import rules of ARCHITECTURE.md ("Rooms"), over the real sources. A new file that no room holds fails here: say in
// ROOMS where it lives and what it may know.

import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { parseAst } from 'vite'

interface Room {
  /** The files it holds: the first room of the table that matches has a file. Every room may import itself. */
  readonly files: RegExp
  /** Other rooms it may import. */
  readonly rooms: readonly string[]
  /** Other rooms of which it may import types, and nothing that runs. */
  readonly types?: readonly string[]
  /** Packages it may import. `node:*` and `@uppy/*` stand for all that begin so. */
  readonly packages: readonly string[]
}

// What decides: values in, values out.
const PURE = ['errors', 'pure']
// What every room over HTTP needs.
const HTTP = [...PURE, 'auth', 'ops', 'http', 'http rules', 'operations']

const ROOMS: Record<string, Room> = {
  // ---- At the bottom
  errors: { files: /^server\/errors\.ts$/, rooms: [], packages: [] },
  pure: {
    files:
      /^server\/(units|banner|auth\/(identity|owner-scope|grant|shared|claims|configured-keys|verification-key)|quotas\/quota|guards\/(address|rate-headers)|hooks\/(content-check|facts|words)|uploads\/(upload|undo|report|list-query|relative-path|file-name|pace|observer)|files\/(byte-range|file)|sweep\/(plan|mismatch)|packages\/(retention|package|list-query|metadata|manifest|flat-cbor)|events\/(event|ring)|webhooks\/(address|target|signature|backoff|webhook)|ops\/redact)\.ts$/,
    rooms: ['errors', 'http rules'],
    types: ['digests', 'store', 'events', 'records', 'operations', 'config'],
    packages: ['canonicalize', 'cborg', 'ipaddr.js', 'node:buffer', 'node:crypto', 'node:net', 'zod'],
  },
  // How requests and answers are described, and held against it.
  'http rules': {
    files: /^server\/http\/(operation|input|cursor|pages|members|request-body|request-target|route-of)\.ts$/,
    rooms: PURE,
    packages: ['node:http', 'zod'],
  },
  operations: {
    files: /^server\/([a-z-]+\/([a-z]+-)?operations|openapi|openapi\/[a-z-]+)\.ts$/,
    rooms: [...PURE, 'http rules', 'problem', 'eml'],
    types: ['events'],
    packages: ['node:util', 'zod'],
  },
  version: { files: /^server\/version\.ts$/, rooms: [], packages: ['node:fs', 'zod'] },
  eml: {
    files: /^server\/packages\/eml(-(xml|files|namespaces|text|reader|splice|patch))?\.ts$/,
    rooms: PURE,
    packages: ['node:buffer', 'saxes'],
  },
  config: {
    files: /^server\/config(\/[a-z]+)?\.ts$/,
    rooms: PURE,
    packages: ['node:fs', 'node:net', 'node:path', 'node:util', 'node-cron', 'zod'],
  },
  // What may say that it is worth a span: OpenTelemetry's interface, which does nothing where nobody listens.
  spans: { files: /^server\/tracing\/(span|deliveries)\.ts$/, rooms: [], packages: ['@opentelemetry/api'] },
  'prisma client': { files: /^prisma\/generated\//, rooms: [], packages: [] },

  random: { files: /^server\/uploads\/random\.ts$/, rooms: ['errors'], packages: ['node:crypto'] },

  // ---- What acts: database, digests, store
  'database start': {
    files: /^server\/database\/(open|database-command)\.ts$/,
    rooms: ['errors', 'database', 'config', 'version'],
    packages: ['node:fs/promises', 'node:path'],
  },
  owners: { files: /^server\/database\/owned-by\.ts$/, rooms: [...PURE, 'prisma client'], packages: [] },
  database: {
    files: /^server\/database\//,
    rooms: ['errors', 'prisma client'],
    packages: ['@prisma/adapter-pg', 'pg', 'node:*'],
  },
  digests: {
    files: /^server\/digests\//,
    rooms: ['errors'],
    packages: ['node:worker_threads', 'node:crypto', 'node:module', 'node:os', 'koffi'],
  },
  store: {
    files: /^server\/storage\/(store|observed|key|or-aborted|until-any|compose-plan)\.ts$/,
    rooms: ['errors'],
    packages: ['node:stream'],
  },
  'local store': {
    files: /^server\/storage\/(local|folder-sync|send-file|compose-file|write-all)\.ts$/,
    rooms: ['errors', 'store'],
    packages: ['@tus/file-store', '@tus/server', 'node:fs', 'node:fs/promises', 'node:path', 'node:stream'],
  },
  's3 store': {
    files: /^server\/storage\/(s3(-[a-z]+)?|part-memory|turns|outlet)\.ts$/,
    rooms: ['errors', 'store', 'part plan', 'lanes', 'spans'],
    packages: [
      '@aws-sdk/client-s3',
      '@aws-sdk/s3-request-presigner',
      '@smithy/node-http-handler',
      '@tus/s3-store',
      '@tus/server',
      'node:*',
    ],
  },
  lanes: { files: /^server\/storage\/lanes\.ts$/, rooms: [], packages: [] },
  'part plan': { files: /^server\/storage\/part-plan\.ts$/, rooms: ['errors'], packages: [] },
  events: {
    files: /^server\/events\/(log|order|tail)\.ts$/,
    rooms: [...PURE, 'database', 'owners', 'prisma client'],
    packages: ['node:timers/promises'],
  },
  records: {
    files:
      /^server\/(uploads\/(records|concatenations|endings|census|losses|list-rows|restoring|insertion|ledger-rows|columns|ending|garbage|patience)|(files|quotas)\/records|packages\/(membership|records|rows|finalize|ends|expiry|shares|eml-records)|webhooks\/records)\.ts$/,
    rooms: [...PURE, 'random', 'database', 'owners', 'prisma client', 'events', 'digests', 'store'],
    types: ['webhooks'],
    packages: ['pino', 'node:crypto'],
  },
  'api keys': {
    files: /^server\/auth\/(api-keys|keys-command|trusted-keys)\.ts$/,
    rooms: [...PURE, 'owners', 'events', 'database', 'prisma client'],
    packages: ['node:crypto', 'node:perf_hooks', 'node:util'],
  },

  // ---- What happens to an upload, whoever asks
  intake: {
    files:
      /^server\/uploads\/(intake|removals|placement|finalize|received|purges|reread|receive|leases|free-space|group-commit)\.ts$/,
    rooms: [...PURE, 'random', 'records', 'store', 'digests', 'spans'],
    types: ['database'],
    packages: ['node:crypto', 'node:stream', 'pino'],
  },
  sweep: {
    files: /^server\/sweep\/(sweep|reconcile|listing|command)\.ts$/,
    rooms: [...PURE, 'records', 'intake', 'store', 'lanes', 'spans'],
    types: ['api keys', 'events'],
    packages: ['node-cron', 'pg', 'pino', 'node:crypto', 'node:util'],
  },

  webhooks: {
    files: /^server\/webhooks\/(random|resolve|sender|fan-out|dispatcher)\.ts$/,
    rooms: [...PURE, 'records', 'random', 'spans'],
    packages: ['node:*', 'pino'],
  },

  // ---- What speaks HTTP
  ops: {
    files: /^server\/ops\//,
    rooms: PURE,
    packages: ['express', 'pino', 'node:crypto', 'node:net', 'node:perf_hooks', 'node:v8'],
  },
  credentials: {
    files: /^server\/auth\/(bounded-request|jwks-url|jwt-keys|jwt|iam|key-files|identify)\.ts$/,
    rooms: PURE,
    types: ['config', 'ops', 'auth'],
    packages: ['jose', 'node:crypto', 'node:fs/promises', 'node:path', 'node:perf_hooks'],
  },
  guards: {
    files: /^server\/guards\//,
    rooms: [...PURE, 'problem', 'http rules'],
    packages: ['express', 'pg', 'pino', 'rate-limiter-flexible', 'node:crypto', 'node:http', 'node:net'],
  },
  'content checks': {
    files: /^server\/hooks\//,
    rooms: [...PURE, 'store'],
    packages: [
      'node:child_process',
      'node:events',
      'node:http',
      'node:https',
      'node:stream',
      'node:timers/promises',
    ],
  },
  auth: {
    files: /^server\/auth\/(bearer|credential)\.ts$/,
    rooms: PURE,
    packages: ['express', 'passport', 'passport-http-bearer', 'node:http'],
  },
  'api key routes': {
    files: /^server\/auth\/routes\.ts$/,
    rooms: HTTP,
    types: ['api keys'],
    packages: ['express'],
  },
  http: {
    files:
      /^server\/http\/(answer|allowed-methods|json-body|cross-origin|retrieval-host|security-headers)\.ts$/,
    rooms: [...PURE, 'http rules'],
    packages: ['cors', 'express', 'helmet'],
  },
  problem: {
    files: /^server\/(problem|lingering-close|client-error)\.ts$/,
    rooms: [...PURE, 'ops'],
    packages: ['express', 'node:crypto', 'node:http', 'node:stream'],
  },
  idempotency: {
    files: /^server\/dialects\/idempotency\.ts$/,
    rooms: [...HTTP, 'intake'],
    types: ['records'],
    packages: ['canonicalize', 'node:crypto'],
  },
  'tus dialect': {
    files: /^server\/dialects\/tus(-[a-z-]+)?\.ts$/,
    rooms: [...HTTP, 'intake', 'idempotency', 'problem'],
    types: ['records'],
    packages: ['@tus/server', 'express', 'node:async_hooks', 'node:stream', 'node:stream/promises'],
  },
  'other dialects': {
    files: /^server\/dialects\/(one-shot|multipart|session|content-range)(-[a-z]+)?\.ts$/,
    rooms: [...HTTP, 'intake', 'idempotency'],
    types: ['digests', 'records'],
    packages: [
      '@fastify/busboy',
      'canonicalize',
      'express',
      'zod',
      'node:crypto',
      'node:http',
      'node:stream',
    ],
  },
  'upload routes': {
    files: /^server\/uploads\/routes\.ts$/,
    rooms: [...HTTP, 'random', 'intake', 'records', 'eml'],
    packages: ['express'],
  },
  'file routes': {
    files: /^server\/files\/(routes|content-routes|send)\.ts$/,
    rooms: [...HTTP, 'records', 'store'],
    types: ['intake'],
    packages: ['content-disposition', 'express'],
  },
  'package routes': {
    files: /^server\/packages\/(routes|eml-routes|share-routes)\.ts$/,
    rooms: [...HTTP, 'records', 'eml'],
    types: ['intake'],
    packages: [
      'express',
      'zod',
      'node:crypto',
      'node:stream',
      'node:stream/promises',
      'node:timers/promises',
    ],
  },
  'event routes': {
    files: /^server\/events\/(routes|stream)\.ts$/,
    rooms: HTTP,
    types: ['events'],
    packages: ['cborg', 'express', 'node:http'],
  },
  'webhook routes': {
    files: /^server\/webhooks\/routes\.ts$/,
    rooms: [...HTTP, 'records', 'random', 'webhooks'],
    packages: ['express'],
  },
  'sign-in routes': {
    files: /^server\/(sign-in|quotas)\/routes\.ts$/,
    rooms: HTTP,
    packages: ['express'],
  },
  documentation: {
    files: /^server\/docs\//,
    rooms: HTTP,
    packages: ['express', 'node:crypto', 'node:module', 'node:path'],
  },

  // ---- What watches: counts and spans of what the others do
  metrics: {
    files: /^server\/metrics\//,
    rooms: ['errors', 'http rules'],
    types: [
      'auth',
      'database',
      'digests',
      'events',
      'intake',
      'pure',
      'records',
      'store',
      'sweep',
      'webhooks',
    ],
    packages: ['express', 'prom-client', 'zod', 'node:crypto', 'node:http', 'node:net'],
  },
  tracing: {
    files: /^server\/tracing\//,
    rooms: ['errors', 'http rules', 'pure', 'spans', 'version'],
    types: ['config', 'store'],
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace-node',
      'express',
      'pino',
    ],
  },

  // ---- At the top: what puts it together
  'page routes': {
    files: /^server\/page\/routes\.ts$/,
    rooms: ['http'],
    packages: ['compression', 'express', 'node:url', 'node:zlib'],
  },
  app: {
    files: /^server\/app\.ts$/,
    rooms: [
      ...[...HTTP, 'problem', 'version', 'documentation', 'tus dialect', 'other dialects', 'upload routes'],
      ...[
        'file routes',
        'package routes',
        'event routes',
        'webhook routes',
        'api key routes',
        'sign-in routes',
        'page routes',
      ],
      ...['guards', 'metrics', 'tracing'],
    ],
    types: ['intake', 'records', 'store', 'events', 'webhooks', 'api keys', 'config'],
    packages: ['express', 'node:url'],
  },
  compose: {
    files: /^server\/compose\.ts$/,
    rooms: [
      ...[...HTTP, 'app', 'config', 'database', 'digests', 'local store', 's3 store', 'store', 'events'],
      ...[
        'records',
        'api keys',
        'intake',
        'sweep',
        'version',
        'webhooks',
        'credentials',
        'guards',
        'content checks',
        'metrics',
        'tracing',
      ],
    ],
    packages: ['express', 'node:crypto', 'node:os', 'node:path'],
  },
  main: {
    files: /^server\/(main|serve|first-key)\.ts$/,
    rooms: [
      ...PURE,
      'compose',
      'guards',
      'config',
      'http rules',
      'database',
      'database start',
      'api keys',
      'ops',
      'problem',
      'sweep',
      'spans',
      'tracing',
    ],
    packages: ['node:fs/promises', 'node:http', 'node:net', 'node:path'],
  },

  // ---- Beside the server
  'set-up': { files: /^server\/setup\.mjs$/, rooms: [], packages: ['node:*'] },
  'dashboard build': { files: /^client\/dashboard\/vite\.config\.ts$/, rooms: [], packages: ['vite'] },
  words: { files: /^client\/format\.ts$/, rooms: [], packages: [] },
  // ---- The page
  'page words': { files: /^client\/dashboard\/words\//, rooms: ['words'], packages: [] },
  'page parts': {
    files: /^client\/dashboard\/(parts\/|look\/|(announcer|clock|route|place)\.ts)/,
    rooms: ['page words', 'client'],
    packages: ['preact', 'preact/*', '@preact/signals'],
  },
  // The one place that compiles WebAssembly: its answer's policy is its own.
  'digest worker': {
    files: /^client\/dashboard\/upload\/digest-worker\.ts$/,
    rooms: [],
    packages: ['hash-wasm'],
  },
  // The one place that knows Uppy, which is loaded late.
  'page sending': {
    files: /^client\/dashboard\/send\//,
    rooms: ['page', 'page parts', 'page words', 'client', 'words'],
    packages: ['preact', 'preact/*', '@preact/signals', '@uppy/*', 'tus-js-client'],
  },
  page: {
    files: /^client\/dashboard\//,
    rooms: ['page sending', 'page parts', 'page words', 'client', 'words'],
    types: ['digest worker'],
    packages: ['preact', 'preact/*', '@preact/signals'],
  },

  // ---- The clients, which know of the server only what openapi.json says
  'type generator': {
    files: /^client\/api\/generate-types\.mjs$/,
    rooms: ['compiled description'],
    packages: ['openapi-typescript', 'node:*'],
  },
  'compiled description': { files: /^dist\/server\/openapi\.js$/, rooms: [], packages: [] },
  'client for Node': {
    files: /^client\/api\/node\//,
    rooms: ['client', 'words'],
    packages: ['tus-js-client', 'undici', 'node:*'],
  },
  client: { files: /^client\/api\//, rooms: ['words'], packages: ['eventsource-parser', 'tus-js-client'] },
  'command line': {
    files: /^client\/cli\//,
    rooms: ['client', 'client for Node', 'words'],
    packages: [
      'cli-truncate',
      'commander',
      'log-update',
      'open',
      'picocolors',
      'picomatch',
      'proper-lockfile',
      'string-width',
      'undici',
      'node:*',
    ],
  },
}

// ---- Reading the sources --------------------------------------------------------------------------------------------

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface Import {
  /** As it is written, e.g. './upload.js'. */
  readonly specifier: string
  readonly isTypeOnly: boolean
}

interface Source {
  /** From the project's folder, e.g. 'server/uploads/upload.ts'. */
  readonly file: string
  readonly imports: readonly Import[]
  /** Reads that a rule forbids in some rooms: 'process.env', 'the clock'. */
  readonly reads: ReadonlySet<string>
}

type Node = { readonly type: string } & Record<string, unknown>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** Every node of the syntax tree under `value`. */
function* walk(value: unknown): Generator<Node> {
  if (Array.isArray(value)) {
    for (const item of value) yield* walk(item)
  } else if (isNode(value)) {
    yield value
    for (const child of Object.values(value)) yield* walk(child)
  }
}

const LANGUAGES: Record<string, 'ts' | 'tsx'> = { '.ts': 'ts', '.tsx': 'tsx' }

async function readSource(file: string): Promise<Source> {
  const text = await readFile(path.join(ROOT, file), 'utf8')
  const nodes = [...walk(parseAst(text, { lang: LANGUAGES[path.extname(file)] ?? 'js' }).body)]
  return {
    file,
    imports: nodes.flatMap((node) => importOf(node, file)),
    reads: new Set(nodes.flatMap(readOf)),
  }
}

function importOf(node: Node, file: string): Import[] {
  if (!/^(Import|Export(Named|All))Declaration$|^ImportExpression$|^TSImportType$/.test(node.type)) return []
  const source = node.source ?? node.argument
  if (source === null || source === undefined) return [] // export { local }
  const specifier = isNode(source) ? (source.value ?? (source.literal as Node | undefined)?.value) : undefined
  if (typeof specifier !== 'string')
    throw new Error(`${file}: an import whose name is computed can't be checked.`)
  const specifiers = Array.isArray(node.specifiers) ? node.specifiers.filter(isNode) : []
  const kinds = specifiers.map((one) => one.importKind ?? one.exportKind)
  const isTypeOnly =
    node.type === 'TSImportType' ||
    [node.importKind, node.exportKind].includes('type') ||
    (kinds.length > 0 && kinds.every((kind) => kind === 'type'))
  return [{ specifier, isTypeOnly }]
}

function readOf(node: Node): string[] {
  const nameOf = (value: unknown) => (isNode(value) ? value.name : undefined)
  if (node.type === 'NewExpression' && nameOf(node.callee) === 'Date') {
    return Array.isArray(node.arguments) && node.arguments.length === 0 ? ['the clock'] : []
  }
  if (node.type !== 'MemberExpression') return []
  const read = `${nameOf(node.object)}.${nameOf(node.property)}`
  if (read === 'process.env') return ['process.env']
  return ['Date.now', 'performance.now'].includes(read) ? ['the clock'] : []
}

/** The file that a relative import means, as in `Source.file`. */
function resolve(file: string, specifier: string): string {
  const target = path.posix.join(path.posix.dirname(file), specifier)
  const sources = ['.ts', '.tsx'].map((extension) => target.replace(/\.js$/, extension))
  return sources.find((source) => existsSync(path.join(ROOT, source))) ?? target
}

function roomOf(file: string): string | undefined {
  return Object.entries(ROOMS).find(([, room]) => room.files.test(file))?.[0]
}

const isRelative = (specifier: string) => specifier.startsWith('.')

function isAllowed(specifier: string, allowed: readonly string[]): boolean {
  return allowed.some((name) =>
    name.endsWith('*') ? specifier.startsWith(name.slice(0, -1)) : specifier === name,
  )
}

/** Why `file` may not import this; undefined when it may. */
function offenceOf(file: string, { specifier, isTypeOnly }: Import): string | undefined {
  const name = roomOf(file) ?? ''
  const room = ROOMS[name]
  if (room === undefined) return undefined // Said by the test of its own.
  if (!isRelative(specifier)) {
    return isAllowed(specifier, room.packages) ? undefined : `${file} (${name}) imports ${specifier}`
  }
  const target = roomOf(resolve(file, specifier))
  if (target === name || (target && room.rooms.includes(target))) return undefined
  if (isTypeOnly && target && room.types?.includes(target)) return undefined
  return `${file} (${name}) imports ${specifier} (${target ?? 'no room'})`
}

/** The first cycle of imports that run, as the list of its files. */
function findCycle(sources: readonly Source[]): string[] | undefined {
  const graph = new Map(
    sources.map(({ file, imports }) => [
      file,
      imports
        .filter(({ specifier, isTypeOnly }) => isRelative(specifier) && !isTypeOnly)
        .map(({ specifier }) => resolve(file, specifier)),
    ]),
  )
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file]
    if (done.has(file)) return undefined
    done.add(file)
    for (const target of graph.get(file) ?? []) {
      const cycle = visit(target, [...trail, file])
      if (cycle) return cycle
    }
    return undefined
  }
  for (const file of graph.keys()) {
    const cycle = visit(file, [])
    if (cycle) return cycle
  }
  return undefined
}

// ---- The rules ------------------------------------------------------------------------------------------------------

let sources: Source[]

beforeAll(async () => {
  const files = await Promise.all(
    ['server', 'client'].map(async (folder) => {
      const entries = await readdir(path.join(ROOT, folder), { recursive: true })
      return entries.map((entry) => path.posix.join(folder, entry))
    }),
  )
  const modules = files.flat().filter((file) => /(?<!\.d)\.(ts|mjs|js|tsx)$/.test(file))
  sources = await Promise.all(modules.sort().map(readSource))
})

describe('the rooms', () => {
  test('hold every source file', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(sources.map(({ file }) => file).filter((file) => roomOf(file) === undefined)).toEqual([])
  })

  test('import only what they may know', () => {
    const offences = sources.flatMap(({ file, imports }) =>
      imports.flatMap((one) => offenceOf(file, one) ?? []),
    )
    expect(offences).toEqual([])
  })

  test('import each other without a cycle', () => {
    expect(findCycle(sources)).toBeUndefined()
  })

  test('leave the environment to the config', () => {
    const readers = sources.filter(({ reads }) => reads.has('process.env')).map(({ file }) => file)
    expect(readers).toEqual(['client/cli/settings.ts', 'server/config.ts', 'server/setup.mjs'])
  })

  test('leave the clock out of what is pure', () => {
    const readers = sources.filter(({ file, reads }) => roomOf(file) === 'pure' && reads.has('the clock'))
    expect(readers.map(({ file }) => file)).toEqual([])
  })
})

describe('the check itself', () => {
  const importsOf = (text: string) =>
    [...walk(parseAst(text, { lang: 'ts' }).body)].flatMap((node) => importOf(node, 'a.ts'))

  test('sees every way to import', () => {
    expect(
      importsOf(`
        import 'side-effect'
        import { a, type B } from 'value'
        import type { C } from 'type'
        import { type D } from 'type-specifier'
        export { e } from 'export-from'
        export * from 'export-all'
        export const f = 1
        const g = () => import('dynamic')
        let h: import('type-expression').H
        // import 'comment'
        const text = "import 'string'"`),
    ).toEqual([
      { specifier: 'side-effect', isTypeOnly: false },
      { specifier: 'value', isTypeOnly: false },
      { specifier: 'type', isTypeOnly: true },
      { specifier: 'type-specifier', isTypeOnly: true },
      { specifier: 'export-from', isTypeOnly: false },
      { specifier: 'export-all', isTypeOnly: false },
      { specifier: 'dynamic', isTypeOnly: false },
      { specifier: 'type-expression', isTypeOnly: true },
    ])
  })

  test('finds an offence, a type that is used as more, and a cycle', () => {
    const value = { specifier: '../digests/digest.js', isTypeOnly: false }
    expect(offenceOf('server/uploads/upload.ts', value)).toContain('(pure) imports')
    expect(offenceOf('server/uploads/upload.ts', { ...value, isTypeOnly: true })).toBeUndefined()
    expect(offenceOf('server/uploads/intake.ts', { specifier: 'express', isTypeOnly: true })).toContain(
      'express',
    )
    const cycle = [
      { file: 'a.ts', imports: [{ specifier: './b.ts', isTypeOnly: false }], reads: new Set<string>() },
      { file: 'b.ts', imports: [{ specifier: './a.ts', isTypeOnly: false }], reads: new Set<string>() },
    ]
    expect(findCycle(cycle)).toEqual(['a.ts', 'b.ts', 'a.ts'])
  })
})
