// `npm run migration -- NAME`: writes prisma/migrations/<time>_<name>/migration.sql with what schema.prisma has that the
// migrations so far don't. Read it before you commit it: a renamed column looks to Prisma like a lost and a new one.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../dist/server/database/embedded.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * The SQL from the migrations to the schema. Prisma replays the migrations in a shadow database.
 *
 * By way of a file: on stdout Prisma prints nothing under `npm --silent`, as if nothing had changed.
 */
function sqlOfChange(databaseUrl, outputFile) {
  const { status, stdout, stderr } = spawnSync(
    path.join(ROOT, 'node_modules/.bin/prisma'),
    [
      ...['migrate', 'diff', '--config', 'prisma/prisma.config.ts', '--script'],
      ...['--from-migrations', 'prisma/migrations', '--to-schema', 'prisma/schema.prisma'],
      ...['--output', outputFile],
    ],
    { cwd: ROOT, encoding: 'utf8', env: { ...process.env, DATABASE_URL: databaseUrl } },
  )
  if (status !== 0) throw new Error(`prisma migrate diff failed:\n${stdout}${stderr}`)
  // A role may be allowed its tables and no schema, and "public" is always there.
  return readFileSync(outputFile, 'utf8')
    .replace('-- CreateSchema\nCREATE SCHEMA IF NOT EXISTS "public";\n', '')
    .trim()
}

const [name] = process.argv.slice(2)
if (!/^[a-z0-9_]+$/.test(name ?? '')) {
  console.error('Usage: npm run migration -- NAME   (lowercase letters, digits and _, e.g. add_packages)')
  process.exit(2)
}

const dataDir = mkdtempSync(path.join(tmpdir(), 'antipasto-migration-'))
const postgres = await startEmbeddedPostgres({ dataDir })
try {
  const sql = sqlOfChange(postgres.databaseUrl, path.join(dataDir, 'change.sql'))
  if (sql === '-- This is an empty migration.') {
    console.log('schema.prisma has nothing that the migrations do not have: no migration was written.')
  } else {
    const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
    const folder = path.join('prisma', 'migrations', `${time}_${name}`)
    mkdirSync(path.join(ROOT, folder), { recursive: true })
    writeFileSync(path.join(ROOT, folder, 'migration.sql'), `${sql}\n`)
    console.log(`Wrote ${folder}/migration.sql`)
  }
} finally {
  await postgres.stop()
  rmSync(dataDir, { recursive: true, force: true })
}
