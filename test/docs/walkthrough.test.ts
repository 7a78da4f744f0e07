// docs/walkthrough.md, run as it stands there: by bash and curl, on the real server.

import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { digestsOf } from '../end-to-end/evidence.js'
import { startServer, type TestServer } from '../support/server.js'

const manual = await readFile(new URL('../../../docs/walkthrough.md', import.meta.url), 'utf8')
const blocks = [...manual.matchAll(/^```bash\n(.*?)^```$/gms)].map(([, code]) => String(code))

const FILES = ['README.txt', 'data/Müggelsee 5 m.csv', 'data/inflow.csv', 'images/orthophoto.tif']
const EVENTS = ['created', 'ready', 'deleted'].map((what) => `upload.${what}.v1`)

const missing = ['bash', 'curl', 'sha256sum'].filter((name) => spawnSync(name, ['--version']).status !== 0)
const describeIfThere = missing.length === 0 ? describe : describe.skip

describeIfThere(`the walkthrough${missing.map((name) => ` (there is no ${name} here)`).join('')}`, () => {
  let server: TestServer
  let rest: RestClient
  let folder: string

  beforeAll(async () => {
    ;[server, folder] = await Promise.all([
      startServer(),
      mkdtemp(path.join(tmpdir(), 'antipasto-walkthrough-')),
    ])
    rest = new RestClient(server)
  })

  afterAll(async () => {
    await server.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  /** The settings block comes first, with this server's address and key in it. @returns what was printed */
  async function run(code: readonly string[]): Promise<string> {
    const settings = String(blocks[0])
      .replace(/^ANTIPASTO=.*$/m, `ANTIPASTO=${server.url}`)
      .replace(/^KEY=.*$/m, `KEY=${server.key}`)
    const script = ['set -euo pipefail', settings, ...code].join('\n')
    const env = { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C.UTF-8' }
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: folder, env })
    return stdout
  }

  test('takes a folder in, to a finalized package, its manifest and a patched EML document', async () => {
    const output = await run(blocks.slice(1, -1))
    const [found] = bodyOf<{ items: { id: string; state: string }[] }>(
      await rest.send('GET', '/packages'),
    ).items
    expect(found).toMatchObject({ state: 'finalized', name: 'Lake survey', metadata: { site: 'Müggelsee' } })

    const { items } = bodyOf<{ items: Report[] }>(await rest.send('GET', `/packages/${found?.id}/files`))
    expect(items.map((report) => report.relative_path)).toEqual(FILES)
    for (const report of items) {
      const bytes = await readFile(path.join(folder, 'lake', String(report.relative_path)))
      expect(report).toMatchObject({ state: 'ready', size: bytes.length, checksums: digestsOf(bytes) })
      expect(output).toContain(`stored: lake/${report.relative_path}\n`)
    }
    const patched = await readFile(path.join(folder, 'patched.xml'), 'utf8')
    const [, temperature] = items
    expect(patched).toContain(`<authentication method="MD5">${temperature?.checksums?.md5}</authentication>`)
    expect(patched).toContain(`<url function="download">${temperature?.retrieval_url}</url>`)
    expect(output).toMatch(/^X-EML-Matched: M%C3%BCggelsee%205%20m\.csv\r$/m)
    expect(output).toMatch(/^X-EML-Unused: README\.txt,data%2Finflow\.csv,images%2Forthophoto\.tif\r$/m)
    expect(output.match(/"upload\.ready\.v1"/g)).toHaveLength(FILES.length)
  })

  test('ends with nothing left', async () => {
    const [found] = bodyOf<{ items: { id: string }[] }>(await rest.send('GET', '/packages')).items
    await run([`PACKAGE=${found?.id}`, String(blocks.at(-1))])
    expect((await rest.send('GET', `/packages/${found?.id}`)).status).toBe(410)
    const { events } = bodyOf<{ events: { type: string }[] }>(
      await rest.send('GET', '/events?limit=1000', { Accept: 'application/json' }),
    )
    for (const type of EVENTS)
      expect([type, events.filter((event) => event.type === type).length]).toEqual([type, FILES.length])
  })
})
