// Keeps what became of each test file, for test/run.ts, and says the result as the last line, in a form that a program
// finds: "123 passed, 0 failed". Above it stand the tests that passed on a second try only.

import { writeFileSync } from 'node:fs'

/** What became of one test file. */
export interface FileResults {
  /** Absolute. */
  readonly path: string
  readonly passed: number
  /** A file that couldn't be run at all has one. */
  readonly failed: number
  readonly skipped: number
  /** With the names of what they are in. */
  readonly failedTests: readonly string[]
}

/** The part of Jest's TestResult that is read here. */
interface JestFileResult {
  readonly testFilePath: string
  readonly numPassingTests: number
  readonly numFailingTests: number
  readonly numPendingTests: number
  /** Why the file couldn't be run at all. */
  readonly testExecError?: unknown
  readonly testResults: readonly {
    readonly fullName: string
    readonly status: string
    /** How often it was tried; absent: once. */
    readonly invocations?: number
  }[]
}

export default class ResultsReporter {
  readonly #files: FileResults[] = []
  readonly #onSecondTry: string[] = []

  onTestResult(_test: unknown, result: JestFileResult): void {
    for (const { fullName, status, invocations = 1 } of result.testResults)
      if (status === 'passed' && invocations > 1) this.#onSecondTry.push(fullName)
    this.#files.push({
      path: result.testFilePath,
      passed: result.numPassingTests,
      failed: result.numFailingTests + (result.testExecError === undefined ? 0 : 1),
      skipped: result.numPendingTests,
      failedTests: result.testResults.flatMap(({ fullName, status }) =>
        status === 'failed' ? [fullName] : [],
      ),
    })
  }

  onRunComplete(): void {
    for (const name of this.#onSecondTry) console.log(`Passed on its second try: ${name}`)
    const kept = process.env.TEST_RESULTS_FILE
    if (kept) writeFileSync(kept, JSON.stringify(this.#files))
    // After the default reporter's summary, which is printed later in the same turn.
    else process.once('exit', () => console.log(countsOf(this.#files)))
  }
}

/** The line that a program finds. */
export function countsOf(files: readonly FileResults[]): string {
  const sum = (of: 'passed' | 'failed' | 'skipped') => files.reduce((total, file) => total + file[of], 0)
  const skipped = sum('skipped')
  return `${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
