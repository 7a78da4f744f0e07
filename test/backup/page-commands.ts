// The commands of docs/backup.md and docs/upgrade.md, run by bash as they stand there, in a folder that has `data`.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { readProjectFile, shellBlocksOf } from '../docs/shell-blocks.js'

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))

// `npm run NAME -- …` as package.json has it, without looking whether everything is compiled.
const PRELUDE = `set -eu
npm() {
  shift
  if [ "$1" = --silent ]; then shift; fi
  local name=$1; shift
  if [ "\${1:-}" = -- ]; then shift; fi
  "$NODE" "$MAIN" "$name" "$@"
}
`

export interface Ran {
  readonly exitCode: number
  readonly output: string
}

/** The block of `page` that `suite` runs and that has `text` in it; throws unless there is exactly one. */
export function blockWith(page: string, text: string, suite: string): string {
  const found = shellBlocksOf(page).filter(
    ({ code, marker }) => marker === `run by ${suite}` && code.includes(text),
  )
  const [only] = found
  if (only === undefined || found.length > 1) {
    throw new Error(`${page} has not one block with "${text}" that is run by ${suite}.`)
  }
  assertScripts(only.code)
  return only.code
}

/** What the prelude's npm doesn't ask: that there are such scripts. */
function assertScripts(code: string): void {
  const { scripts } = JSON.parse(readProjectFile('package.json')) as { scripts: Record<string, string> }
  for (const [, name = ''] of code.matchAll(/npm run (?:--silent )?(\w+)/g)) {
    if (!scripts[name]?.endsWith(`dist/server/main.js ${name}`))
      throw new Error(`There is no script ${name}.`)
  }
}

/** @param env settings of the server; nothing else of this process's environment is seen */
export function runCommands(
  code: string,
  { cwd, env = {} }: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', `${PRELUDE}${code}`], {
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd, NODE: process.execPath, MAIN, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
      })
    }
    child.once('error', reject)
    child.once('close', (exitCode) => resolve({ exitCode: exitCode ?? -1, output }))
  })
}

/** The same, for commands that have to succeed. @returns what they said */
export async function runWell(code: string, place: Parameters<typeof runCommands>[1]): Promise<string> {
  const { exitCode, output } = await runCommands(code, place)
  if (exitCode !== 0) throw new Error(`Exit code ${exitCode} of\n${code}\n${output}`)
  return output
}

export interface FoundMismatch {
  kind: string
  outcome: string
  objectKey?: string
  key?: string
  room?: string
  isOld?: boolean
  upload?: { id: string }
  uploads?: { id: string }[]
}

/** What `npm run sweep -- --reconcile --json` said, without the summary. */
export function mismatchesIn(output: string): FoundMismatch[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{"kind"'))
  const all = lines.map((line) => JSON.parse(line) as FoundMismatch)
  if (all.at(-1)?.kind !== 'summary') throw new Error(`There is no summary:\n${output}`)
  return all.slice(0, -1)
}
