// Says the result once more as the last line, in a form that a program finds: "123 passed, 0 failed".

/** The part of Jest's AggregatedResult that is read here. */
interface Results {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  /** Files that couldn't be run at all: none of their tests is counted as failed. */
  readonly numRuntimeErrorTestSuites: number
}

export default class CountReporter {
  onRunComplete(_contexts: unknown, results: Results): void {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites
    const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : ''
    // After the default reporter's summary, which is printed later in the same turn.
    process.once('exit', () => console.log(`${results.numPassedTests} passed, ${failed} failed${skipped}`))
  }
}
