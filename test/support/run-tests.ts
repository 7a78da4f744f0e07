// Jest as a process of its own, and what failed once more: a busy machine stands still for longer than any test should wait, and what
// fails only beside others is told apart from what fails.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { countsOf, type FileResults } from './results-reporter.js'
import { SEED } from './seed.js'

export interface RunTestsOptions {
  /** The path of Jest's configuration; its reporters have results-reporter among them. */
  readonly config: string
  /** For Jest's command line. With any, nothing is run again: somebody is looking at these. */
  readonly args: readonly string[]
  readonly workers: number
  /** More files than that don't fail by chance: none of them is run again. */
  readonly mostFilesAgain: number
}

const JEST = createRequire(import.meta.url).resolve('jest/bin/jest')

/**
 * Runs the tests, and the files that failed once more, one after the other. Prints what Jest prints, which files needed
 * their second try and for what, and as its last line the counts: a file's last try counts.
 *
 * @returns the exit code
 */
export async function runTests(options: RunTestsOptions): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-results-'))
  const resultsFile = path.join(folder, 'results.json')
  // One seed for both tries: what a property or a schedule of faults has found is found again.
  const env = { ...process.env, TEST_RESULTS_FILE: resultsFile, TEST_SEED: String(SEED) }
  try {
    const first = await runJest(options.config, env, [`--maxWorkers=${options.workers}`, ...options.args])
    const failed = first.files.filter((file) => file.failed > 0)
    const isOnceMore =
      options.args.length === 0 && failed.length > 0 && failed.length <= options.mostFilesAgain
    if (!isOnceMore) {
      if (first.files.length > 0) console.log(countsOf(first.files))
      return first.exitCode
    }
    console.log(`\nFiles that failed: ${failed.length}. They are run once more, one after the other.\n`)
    await rm(resultsFile)
    const paths = failed.map((file) => file.path)
    const second = await runJest(options.config, env, ['--runInBand', '--runTestsByPath', ...paths])
    const again = new Map(second.files.map((file) => [file.path, file]))
    for (const file of failed) if (again.get(file.path)?.failed === 0) console.log(describeSecondTry(file))
    const files = first.files.map((file) => again.get(file.path) ?? file)
    console.log(countsOf(files))
    // What Jest itself couldn't do has no file.
    return files.some((file) => file.failed > 0) ? 1 : second.exitCode
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runJest(
  config: string,
  env: NodeJS.ProcessEnv & { TEST_RESULTS_FILE: string },
  args: readonly string[],
): Promise<{ exitCode: number; files: readonly FileResults[] }> {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, JEST, '--config', config, ...args], {
    stdio: 'inherit',
    env,
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  const results = await readFile(env.TEST_RESULTS_FILE, 'utf8').catch(() => '[]')
  return { exitCode: code ?? 1, files: JSON.parse(results) as FileResults[] }
}

function describeSecondTry({ path: file, failedTests }: FileResults): string {
  const failed = failedTests.length > 0 ? failedTests.join('; ') : 'the file itself'
  return `Passed when run again alone: ${path.basename(file)} (failed at first: ${failed})`
}
