// `npm test`, once all is set up. What stands behind `--` goes to Jest: `npm test -- uploads` runs the files of that name.

import { fileURLToPath } from 'node:url'
import { runTests } from './support/run-tests.js'

process.exitCode = await runTests({
  config: fileURLToPath(new URL('../../test/jest.config.js', import.meta.url)),
  args: process.argv.slice(2),
  workers: 2,
  mostFilesAgain: 10,
})
