import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Finished, SweepProcessOptions } from './stage.js'

const MAIN = fileURLToPath(new URL('../../../server/main.js', import.meta.url))

/** @param settings all that the process has in its environment, besides PATH and what `options` adds */
export async function runSweepProcess(
  settings: Readonly<Record<string, string>>,
  cwd: string,
  { args = [], env = {} }: SweepProcessOptions = {},
): Promise<Finished> {
  const child = spawn(process.execPath, ['--enable-source-maps', MAIN, 'sweep', ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...settings, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const [exitCode] = await once(child, 'close')
  return { exitCode: typeof exitCode === 'number' ? exitCode : -1, output }
}
