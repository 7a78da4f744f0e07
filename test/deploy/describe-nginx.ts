// Suites that need nginx.

import { describe, test } from '@jest/globals'
import { findNginx } from './nginx.js'

/** The suite, where there is an nginx; otherwise it is skipped by name, or fails where REQUIRE_NGINX=1. */
export function describeNginx(name: string, suite: () => void): void {
  if (findNginx() !== undefined) {
    describe(name, suite)
  } else if (process.env.REQUIRE_NGINX === '1') {
    describe(name, () => {
      test('has an nginx', () => {
        throw new Error('REQUIRE_NGINX is set, and there is no nginx: apt-get install nginx-light.')
      })
    })
  } else {
    console.warn(`Skipped, as there is no nginx (Debian: apt-get install nginx-light): ${name}.`)
    describe.skip(`${name} (skipped: no nginx)`, suite)
  }
}
