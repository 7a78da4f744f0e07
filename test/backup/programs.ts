// Programs of Debian's that these suites need: an older PostgreSQL with its pg_dump, and rsync.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { describe, test } from '@jest/globals'

const DEBIAN_POSTGRES = '/usr/lib/postgresql'

/** The folder with the programs of the oldest PostgreSQL that Debian has installed here. */
export function findDebianPostgres(): string | undefined {
  const versions = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES).map(Number) : []
  const folders = versions.sort((a, b) => a - b).map((version) => `${DEBIAN_POSTGRES}/${version}/bin`)
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(`${folder}/${name}`)))
}

const isThere = (name: string) =>
  name === 'postgres'
    ? findDebianPostgres() !== undefined
    : spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0

/** The suite, where these programs are; otherwise it is skipped by name, or fails where REQUIRE_BACKUP=1. */
export function describeWith(programs: readonly string[], name: string, suite: () => void): void {
  const missing = programs.filter((program) => !isThere(program)).join(', ')
  if (missing === '') describe(name, suite)
  else if (process.env.REQUIRE_BACKUP === '1') {
    describe(name, () => {
      test('has its programs', () => {
        throw new Error(
          `REQUIRE_BACKUP is set, and there is no ${missing}: apt-get install rsync postgresql.`,
        )
      })
    })
  } else {
    console.warn(`Skipped, as there is no ${missing} (Debian: apt-get install rsync postgresql): ${name}.`)
    describe.skip(`${name} (skipped: no ${missing})`, suite)
  }
}
