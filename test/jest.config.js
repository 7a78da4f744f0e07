// Jest runs what tsc has made in dist/test: the code in worker threads and child processes is then exactly production's.

export default {
  rootDir: '../dist',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.js'],
  testEnvironment: 'node',
  transform: {},
  // For what hangs: a machine may be busy elsewhere, and what takes too long is told by an assertion, or by test/support/until.ts.
  testTimeout: 180_000,
  globalSetup: '<rootDir>/test/support/setup.js',
  globalTeardown: '<rootDir>/test/support/teardown.js',
  reporters: ['default', '<rootDir>/test/support/results-reporter.js'],
}
