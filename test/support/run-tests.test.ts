// Jest over a handful of files that are made here: run as `npm test` runs the project's.

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from '@jest/globals'

const RUN_TESTS = new URL('./run-tests.js', import.meta.url).href
const REPORTER = fileURLToPath(new URL('./results-reporter.js', import.meta.url))

const PASSES = "test('stands', () => {}); test('stands, too', () => {})"
const FAILS = "test('is fine', () => {}); test('is wrong', () => { throw new Error('Always.') })"
/** Passes only when there is a file beside it, which its first try makes. */
const FAILS_ONCE = `
const { existsSync, writeFileSync } = require('node:fs')
const mark = __filename + '.mark'
test('is late', () => {
  if (existsSync(mark)) return
  writeFileSync(mark, '')
  throw new Error('Only once.')
})`

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-run-tests-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

let count = 0

/** Runs these files, each given by its text. @returns the exit code, and what it printed to stdout */
async function run(
  files: Readonly<Record<string, string>>,
  { args = [], mostFilesAgain = 2 }: { args?: readonly string[]; mostFilesAgain?: number } = {},
): Promise<{ code: number; lines: string[]; text: string }> {
  const root = path.join(folder, String(++count))
  await mkdir(root)
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(root, `${name}.test.js`), text)
  await writeFile(path.join(root, 'package.json'), '{}')
  await cp(REPORTER, path.join(root, 'reporter.mjs'))
  const config = path.join(root, 'jest.config.json')
  await writeFile(
    config,
    JSON.stringify({ transform: {}, cacheDirectory: root, reporters: ['default', '<rootDir>/reporter.mjs'] }),
  )
  const options = { config, args, workers: 1, mostFilesAgain }
  const script = `import { runTests } from '${RUN_TESTS}'; process.exitCode = await runTests(${JSON.stringify(options)})`
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '-e', script], (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code)
      resolve({ code, lines: stdout.trimEnd().split('\n'), text: stderr })
    })
  })
}

test('what passes is run once', async () => {
  const { code, lines } = await run({ one: PASSES, two: PASSES })
  expect([code, lines]).toEqual([0, ['4 passed, 0 failed']])
})

test('what fails only once is run again, and named with what had failed', async () => {
  const { code, lines, text } = await run({ one: PASSES, two: FAILS_ONCE })
  expect(code).toBe(0)
  expect(lines.slice(-2)).toEqual([
    'Passed when run again alone: two.test.js (failed at first: is late)',
    '3 passed, 0 failed',
  ])
  // The first try's failure stays to be read.
  expect(text).toContain('Only once.')
})

test('what fails twice, or can’t be run at all, is a failure', async () => {
  const { code, lines } = await run({ one: FAILS, two: "throw new Error('At once.')", three: PASSES })
  expect([code, lines.at(-1)]).toEqual([1, '3 passed, 2 failed'])
})

test('many files that fail are not run again', async () => {
  const files = { one: FAILS_ONCE, two: FAILS_ONCE }
  const { code, lines } = await run(files, { mostFilesAgain: 1 })
  expect([code, lines]).toEqual([1, ['0 passed, 2 failed']])
})

test('what somebody has picked is not run again', async () => {
  const { code, lines } = await run({ one: PASSES, two: FAILS_ONCE }, { args: ['two'] })
  expect([code, lines]).toEqual([1, ['0 passed, 1 failed']])
})

test('a run that doesn’t come to its tests is a failure', async () => {
  const { code } = await run({ one: PASSES }, { args: ['--config-that-is-not'] })
  expect(code).toBe(1)
})
