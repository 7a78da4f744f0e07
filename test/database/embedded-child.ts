// A process with an embedded PostgreSQL, for tests that kill it: `node embedded-child.js DATA_DIR`. Says "ready URL".

import { startEmbeddedPostgres } from '../../server/database/embedded.js'

const [dataDir = ''] = process.argv.slice(2)
const postgres = await startEmbeddedPostgres({ dataDir })
console.log(`ready ${postgres.databaseUrl}`)
setInterval(() => {}, 60_000)
