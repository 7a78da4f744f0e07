// Says the result once more as the last line, in a form that a program finds: "123 passed, 0 failed". Above it stand the tests
// that passed on a second try only.

/** The part of Jest's AggregatedResult that is read here. */
interface Results {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  /** Files that couldn't be run at all: none of their tests is counted as failed. */
  readonly numRuntimeErrorTestSuites: number
}

/** The part of Jest's TestResult that is read here. */
interface FileResult {
  readonly testResults: readonly {
    readonly fullName: string
    readonly status: string
    /** How often it was tried; absent: once. */
    readonly invocations?: number
  }[]
}

export default class CountReporter {
  readonly #onSecondTry: string[] = []

  onTestResult(_test: unknown, { testResults }: FileResult): void {
    for (const { fullName, status, invocations = 1 } of testResults)
      if (status === 'passed' && invocations > 1) this.#onSecondTry.push(fullName)
  }

  onRunComplete(_contexts: unknown, results: Results): void {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites
    const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : ''
    for (const name of this.#onSecondTry) console.log(`Passed on its second try: ${name}`)
    // After the default reporter's summary, which is printed later in the same turn.
    process.once('exit', () => console.log(`${results.numPassedTests} passed, ${failed} failed${skipped}`))
  }
}
