// How the Prisma CLI is run here: always with `--config prisma/prisma.config.ts`, always without its native engine.

import { fileURLToPath } from 'node:url'
import { defineConfig } from 'prisma/config'

// Before the CLI looks for an engine: the native one would be downloaded from outside the package registry.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= fileURLToPath(new URL('./schema-engine.mjs', import.meta.url))

const databaseUrl = process.env.DATABASE_URL

export default defineConfig({
  schema: 'schema.prisma',
  migrations: { path: 'migrations' },
  ...(databaseUrl ? { datasource: { url: databaseUrl } } : {}),
})
