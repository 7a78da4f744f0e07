// What a browser test finds at its server: nothing of the tests before it, nor of its own first try.

import { withConnection } from '../support/database.js'
import type { TestServer } from '../support/server.js'

/** Leaves no upload and no package at the server, and has it run if a test left it down. */
export async function cleanSlate(server: TestServer): Promise<void> {
  await withConnection(server.databaseUrl ?? '', async (client) => {
    // One after the other, not in one transaction: the server locks packages before uploads.
    await client.query('DELETE FROM uploads')
    await client.query('DELETE FROM packages')
  })
  if (server.pid === undefined) await server.restart()
}
