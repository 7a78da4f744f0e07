// What users install: `npm pack`, installed in a folder elsewhere, sends a file, and its types compile in a program of theirs.

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startServer, type TestServer } from '../support/server.js'
import { reportsOf } from './end-to-end/arrival.js'
import { makeFile } from './end-to-end/local-files.js'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const MINUTES = 60_000
/** Neither scripts, nor questions to the registry that the cache can answer. */
const NPM_FLAGS = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

/** What npm says of a package that it has packed. */
interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

let folder: string
let server: TestServer
let packed: Packed

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-packed-'))
  const [started] = await Promise.all([startServer(), packAndInstall()])
  server = started
}, 5 * MINUTES)

afterAll(async () => {
  await server.dispose()
  await rm(folder, { recursive: true, force: true })
}, MINUTES)

/** Packs a copy of what is built, so that nothing is written to the project, and installs it in `folder`. */
async function packAndInstall(): Promise<void> {
  const copy = path.join(folder, 'copy')
  await mkdir(path.join(copy, 'dist'), { recursive: true })
  for (const name of [
    'package.json',
    'README.md',
    'LICENSE',
    'docs',
    'dist/client',
    'dist/server',
    'dist/test/client',
  ])
    await cp(path.join(ROOT, name), path.join(copy, name), { recursive: true })
  const { stdout } = await run('npm', ['pack', '--json', ...NPM_FLAGS], { cwd: copy })
  const [told] = JSON.parse(stdout) as Packed[]
  if (told === undefined) throw new Error(`npm pack told nothing: ${stdout}`)
  packed = told
  await writeFile(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  await run('npm', ['install', path.join(copy, packed.filename), ...NPM_FLAGS], { cwd: folder })
}

function environment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: folder,
    npm_config_update_notifier: 'false',
    ANTIPASTO_URL: server.url,
    ANTIPASTO_TOKEN: server.key,
  }
}

describe('the package', () => {
  test('holds the clients and their types, the docs, and nothing of the server or the tests', () => {
    const rooms = new Set(packed.files.map((file) => file.path.split('/').slice(0, 2).join('/')))
    const strangers = [...rooms].filter(
      (room) => !/^(package\.json|README\.md|LICENSE|dist\/client|docs\/[^/]+)$/.test(room),
    )
    expect(strangers).toEqual([])
    const paths = packed.files.map((file) => file.path)
    // Maps would lead to sources that aren't there; the page is the server's.
    expect(paths.filter((file) => /\.map$|^dist\/client\/dashboard/.test(file))).toEqual([])
    for (const module of ['api/antipasto', 'api/errors', 'api/node/antipasto', 'api/generated/openapi']) {
      expect(paths).toContain(`dist/client/${module}.js`)
      expect(paths).toContain(`dist/client/${module}.d.ts`)
    }
  })

  test('sends a file with npx, elsewhere', async () => {
    const { sha256 } = await makeFile(path.join(folder, 'lake.csv'), 300_000, 1)
    const args = ['--no-install', 'antipasto', 'push', 'lake.csv', '--label', 'packed', '--json']
    const { stdout } = await run('npx', args, { cwd: folder, env: environment() })
    const lines = stdout.trim().split('\n')
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow()
    const reports = await reportsOf(server, { label: 'packed' })
    expect(reports.map(({ state, filename, checksums }) => [state, filename, checksums?.sha256])).toEqual([
      ['ready', 'lake.csv', sha256],
    ])
  })

  test('says its version, which is the package’s', async () => {
    const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as {
      version: string
    }
    const { stdout } = await run('npx', ['--no-install', 'antipasto', '--version'], {
      cwd: folder,
      env: environment(),
    })
    expect(stdout.trim()).toContain(version)
  })

  test(
    'is a client for programs, with types',
    async () => {
      await writeFile(path.join(folder, 'program.ts'), PROGRAM)
      await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG))
      // Node's types are the program's own to have, as in every program for Node.
      await mkdir(path.join(folder, 'node_modules/@types'), { recursive: true })
      for (const name of ['@types/node', 'undici-types'])
        await cp(path.join(ROOT, 'node_modules', name), path.join(folder, 'node_modules', name), {
          recursive: true,
        })
      const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc')
      const compiled = await run(process.execPath, [tsc, '-p', '.'], { cwd: folder }).catch(
        (error: { stdout: string }) => error,
      )
      expect(compiled.stdout).toBe('')
      const { stdout } = await run(process.execPath, ['program.js'], { cwd: folder, env: environment() })
      expect(JSON.parse(stdout)).toEqual(['NOT_FOUND', 'ready'])
    },
    MINUTES,
  )
})

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    // The point: our own declarations are checked.
    skipLibCheck: false,
    types: ['node'],
  },
  files: ['program.ts'],
}

const PROGRAM = `
import { Antipasto } from 'antipasto/client'
import { NotFound } from 'antipasto/client/errors'
import * as forNode from 'antipasto/client/node'

const antipasto = new Antipasto({ url: process.env.ANTIPASTO_URL ?? '', token: process.env.ANTIPASTO_TOKEN ?? null })
const code: string = await antipasto.uploads.report('nothing').then(
  (report) => report.state,
  (error: unknown) => (error instanceof NotFound ? error.code : String(error)),
)
const stored = await antipasto.files.create(new TextEncoder().encode('typed'), { filename: 'typed.txt' })
const { state } = await antipasto.uploads.report(stored.upload_id)
if (Object.keys(forNode).length === 0) throw new Error('antipasto/client/node is empty.')
console.log(JSON.stringify([code, state]))
`
