// docs/client.md, run as it stands there: by Node, and in a browser, on the real server.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../client/api/antipasto.js'
import { findChromium, launchChromium } from '../dashboard/browser.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Receiver, startReceiver } from '../webhooks/receiver.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const manual = await readFile(path.join(ROOT, 'docs/client.md'), 'utf8')
const blocksOf = (fence: string) =>
  [...manual.matchAll(new RegExp(`^\`\`\`${fence}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => String(code))

const run = promisify(execFile)
const CSV = 'depth,temperature\n5,12.5\n'
const sha256Of = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let server: TestServer
let receiver: Receiver
let folder: string
let antipasto: Antipasto

beforeAll(async () => {
  ;[server, receiver] = await Promise.all([
    startServer({ env: { WEBHOOK_PRIVATE_ADDRESSES: 'true' } }),
    startReceiver(),
  ])
  antipasto = new Antipasto({ url: server.url, token: server.key })
  // Inside the package, so that its own name leads to its `exports`.
  folder = await mkdtemp(path.join(ROOT, 'dist', 'client-manual-'))
  await mkdir(path.join(folder, 'data'))
  await writeFile(path.join(folder, 'data/temperature.csv'), CSV)
  await cp(path.join(ROOT, 'test/packages/eml/lake.xml'), path.join(folder, 'lake.xml'))
})

afterAll(async () => {
  await server.dispose()
  await receiver.close()
  await rm(folder, { recursive: true, force: true })
})

test('the examples for Node do what the text says, in one program', async () => {
  const script = path.join(folder, 'manual.js')
  await writeFile(script, blocksOf('js').join('\n'))
  const env = {
    PATH: process.env.PATH,
    ANTIPASTO_URL: server.url,
    ANTIPASTO_TOKEN: server.key,
    HOOK_URL: receiver.url,
  }
  const { stdout } = await run(process.execPath, [script], { cwd: folder, env, timeout: 60_000 })
  const [report] = await allOf(antipasto.uploads.list({ q: 'temperature' }))
  const [found] = await allOf(antipasto.packages.list({ label: 'lake-2026' }))
  for (const words of [
    'and may',
    `Begun: `,
    `${CSV.length} bytes sent`,
    `ready ${sha256Of(CSV)} ${report?.retrieval_url}`,
    sha256Of('site,depth\nMüggelsee,8\n'),
    `temperature.csv ${CSV.length}`,
    `The largest is temperature.csv; then come 1.`,
    'deleted; can be restored until 20',
    'filled in: ',
    'The ping was delivered: 204',
    `fetched ${CSV.length}`,
    'package.finalized.v1',
    'NOT_FOUND ',
    'lake-2026',
  ]) {
    expect(stdout).toContain(words)
  }
  expect(found).toMatchObject({ state: 'finalized', label: 'lake-2026' })
  expect(sha256Of(await readFile(path.join(folder, 'manifest.cbor')))).toBe(found?.manifest_sha256)
  expect(await readFile(path.join(folder, 'lake.patched.xml'), 'utf8')).toContain('<eml:eml')
  expect(await readFile(path.join(folder, 'copy.csv'), 'utf8')).toBe(CSV)
})

const chromium = findChromium()
const describeBrowser = chromium === undefined ? describe.skip : describe

describeBrowser(
  `the example for browsers${chromium === undefined ? ' (there is no Chromium here)' : ''}`,
  () => {
    test('sends what somebody chose, from a page', async () => {
      const [code = ''] = blocksOf('js browser')
      const module = path.join(folder, 'chosen.js')
      await writeFile(module, code)
      const builder = path.join(ROOT, 'dist/test/client/api/bundle.js')
      const { stdout } = await run(process.execPath, [builder, module], { maxBuffer: 64 * 1024 * 1024 })
      const browser = await launchChromium(String(chromium))
      try {
        const context = await browser.newContext({ bypassCSP: true })
        const page = await context.newPage()
        await page.route('**/chosen.js', (route) =>
          route.fulfill({ contentType: 'text/javascript', body: JSON.parse(stdout).code }),
        )
        await page.goto(server.url)
        const { state, sha256, steps } = await page.evaluate(
          IN_PAGE({ url: server.url, token: server.key, text: CSV }),
        )
        expect([state, sha256]).toEqual(['ready', sha256Of(CSV)])
        expect(steps.at(-1)).toBe(CSV.length)
      } finally {
        await browser.close()
      }
    })
  },
)

interface InPage {
  state: string
  sha256: string
  steps: number[]
}

/** Runs in the page, so it is text: nothing of this file is there. */
const IN_PAGE = (given: object) =>
  `(async ({ url, token, text }) => {
    const { sendChosen } = await import('/chosen.js')
    const steps = []
    const file = new File([text], 'chosen.csv', { type: 'text/csv' })
    const report = await sendChosen(file, { url, token, onProgress: (sent) => steps.push(sent) })
    return { state: report.state, sha256: report.checksums.sha256, steps }
  })(${JSON.stringify(given)})` as unknown as () => Promise<InPage>

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
