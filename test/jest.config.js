// Jest runs what tsc has made in dist/test: the code in worker threads and child processes is then exactly production's.

export default {
  rootDir: '../dist',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.js'],
  testEnvironment: 'node',
  transform: {},
  testTimeout: 30_000,
  globalSetup: '<rootDir>/test/support/setup.js',
  globalTeardown: '<rootDir>/test/support/teardown.js',
  reporters: ['default', '<rootDir>/test/support/count-reporter.js'],
}
