// The database behind a server of ours, behind its back: for rows that need more records than requests could make.

import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../server/database/embedded.js'

/** Runs `work` on a connection of its own to the database of the server that lives in `directory`. */
export async function withDatabase<T>(
  directory: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  return withClient(await databaseUrlOf(directory), work)
}

/** Runs `work` with the URLs of new, empty databases beside that server's own; removes them. */
export async function withDatabasesBeside<T>(
  directory: string,
  names: readonly string[],
  work: (databaseUrls: readonly string[]) => Promise<T>,
): Promise<T> {
  const own = await databaseUrlOf(directory)
  const urls = names.map((name) => Object.assign(new URL(own), { pathname: `/${name}` }).href)
  const drop = () =>
    withClient(own, async (client) => {
      for (const name of names) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    })
  await drop()
  try {
    await withClient(own, async (client) => {
      for (const name of names) await client.query(`CREATE DATABASE ${name}`)
    })
    return await work(urls)
  } finally {
    await drop()
  }
}

export async function withClient<T>(
  databaseUrl: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function databaseUrlOf(directory: string): Promise<string> {
  const { databaseUrl } = await startEmbeddedPostgres({ dataDir: join(directory, 'data'), whenInUse: 'join' })
  return databaseUrl
}
