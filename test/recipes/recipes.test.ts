// docs/recipes, run as they stand there: by their interpreters, on the real server, over connections that break.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { type CuttingProxy, startCuttingProxy } from '../end-to-end/cutting-proxy.js'
import { digestsOf } from '../end-to-end/evidence.js'
import { get } from '../end-to-end/raw-tus.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { startAnswerThief } from './answer-thief.js'
import { describeRecipe, RECIPES } from './interpreters.js'
import { type Lake, newLake } from './lake.js'

const MEBIBYTE = 1024 ** 2
const PATIENCE_MS = 120_000
const EVERY_STATE = 'receiving,finalizing,ready,failed,canceled,expired,deleted'

interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

let server: TestServer
let proxy: CuttingProxy
let rest: RestClient
let lake: Lake
let seed = 0

beforeAll(async () => {
  proxy = await startCuttingProxy()
  server = await startServer({ env: { PUBLIC_URL: proxy.url } })
  proxy.forwardTo(server.url)
  rest = new RestClient(server)
})

afterAll(async () => {
  await proxy.close()
  await server.dispose()
})

beforeEach(async () => {
  seed += 1
  lake = await newLake(seed)
})

afterEach(async () => {
  proxy.goOn()
  await rm(lake.folder, { recursive: true, force: true })
})

/** A recipe at work in the lake's folder, in a process group of its own. */
function start(command: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const [program = '', ...first] = command
  const child = spawn(program, first, {
    cwd: lake.folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: lake.folder,
      LC_ALL: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      ANTIPASTO_URL: `${proxy.url}/`,
      ANTIPASTO_TOKEN: server.key,
      ...env,
    },
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  const ended = once(child, 'close').then(([exitCode]) => ({
    exitCode: exitCode as number | null,
    ...output,
  }))
  return { child, ended }
}

/** What it printed; throws with that when it fails. */
async function succeed({ ended }: Running): Promise<Ended> {
  const { exitCode, stdout, stderr } = await ended
  if (exitCode !== 0) throw new Error(`It ended with ${exitCode}:\n${stdout}\n${stderr}`)
  return { exitCode, stdout, stderr }
}

/** Waits for what the proxy does to a recipe at work; throws when the recipe ends before it. */
async function during(running: Running, event: Promise<void>): Promise<void> {
  const isEarly = await Promise.race([event.then(() => false), running.ended.then(() => true)])
  if (!isEarly) return
  const { exitCode, stdout, stderr } = await running.ended
  throw new Error(`It ended too early, with ${exitCode}:\n${stdout}\n${stderr}`)
}

async function uploadsOf(label: string): Promise<Report[]> {
  const query = new URLSearchParams({ label, state: EVERY_STATE })
  return bodyOf<{ items: Report[] }>(await rest.send('GET', `/uploads?${query}`)).items
}

/** Where it went on with the large file, as it said. */
function offsetsIn({ stdout, stderr }: Ended): number[] {
  return [...`${stdout}${stderr}`.matchAll(/^orthophoto\.tif: (?:on )?from byte (\d+) of \d+$/gm)].map(
    ([, at]) => Number(at),
  )
}

/** Asserts what a finished recipe has left on the server and in the folder. @returns the package's id */
async function expectAllTheWay(label: string): Promise<string> {
  const reports = await uploadsOf(label)
  expect(reports.map(({ filename }) => filename).sort()).toEqual(Object.keys(lake.files).sort())
  for (const report of reports) {
    const bytes = lake.files[String(report.filename)] ?? Buffer.alloc(0)
    const checksums = digestsOf(bytes)
    expect(report).toMatchObject({ state: 'ready', size: bytes.length, checksums })
    expect(report.declared_checksums.sha256).toBe(checksums.sha256)
    const fragment = await readFile(path.join(lake.folder, `${report.filename}.physical.xml`), 'utf8')
    expect(fragment).toContain(`<authentication method="MD5">${checksums.md5}</authentication>`)
    expect(fragment).toContain(`<url function="download">${report.retrieval_url}</url>`)
  }
  const packageId = String(reports[0]?.package_id)
  expect(new Set(reports.map((report) => report.package_id))).toEqual(new Set([packageId]))
  expect(bodyOf(await rest.send('GET', `/packages/${packageId}`))).toMatchObject({
    state: 'finalized',
    label,
  })

  const manifest = await rest.send('GET', `/packages/${packageId}/manifest.json`)
  expect(await readFile(path.join(lake.folder, 'manifest.json'))).toEqual(manifest.body)

  const patched = await readFile(path.join(lake.folder, 'eml.patched.xml'), 'utf8')
  for (const name of ['Müggelsee 5 m.csv', 'orthophoto.tif']) {
    const report = reports.find(({ filename }) => filename === name)
    expect(patched).toContain(`<size unit="byte">${report?.size}</size>`)
    expect(patched).toContain(`<authentication method="MD5">${report?.checksums?.md5}</authentication>`)
    expect(patched).toContain(`<url function="download">${report?.retrieval_url}</url>`)
    const pulled = await get(String(report?.retrieval_url))
    expect(pulled.body.equals(lake.files[name] ?? Buffer.alloc(0))).toBe(true)
  }
  expect(patched.match(/<url /g)).toHaveLength(2)
  return packageId
}

for (const recipe of RECIPES) {
  describeRecipe(recipe, (command) => {
    const everything = (label: string) => [...command, label, 'eml.xml', ...Object.keys(lake.files)]

    test(
      'goes all the way over a connection that breaks, and cleans up',
      async () => {
        const label = `${recipe.file} breaks & goes on`
        const running = start(everything(label))
        await during(running, proxy.cutAfter(3 * MEBIBYTE, 'close'))
        await during(running, proxy.cutAfter(9 * MEBIBYTE, 'close'))
        const ended = await succeed(running)
        const packageId = await expectAllTheWay(label)

        // It went on where it was, after both breaks, and never from the start again. How much of what was on its way had
        // come in when the line broke is the machine's.
        const offsets = offsetsIn(ended)
        expect(offsets.length).toBeGreaterThanOrEqual(3)
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
        expect(offsets.filter((offset) => offset === 0)).toHaveLength(1)
        expect(ended.stderr).toContain('Trying again in 1 s.')
        expect(`${ended.stdout}${ended.stderr}`).toContain(`--delete ${packageId}`)

        // Once more from a finished one: nothing is sent, and all is as it was.
        const before = await uploadsOf(label)
        await succeed(start(everything(label)))
        expect(await uploadsOf(label)).toMatchObject(before.map(({ id, offset }) => ({ id, offset })))

        await succeed(start([...command, '--delete', packageId]))
        expect((await rest.send('GET', `/packages/${packageId}`)).status).toBe(410)
        for (const report of await uploadsOf(label)) expect(report.state).toBe('deleted')
        expect((await get(String(before[0]?.retrieval_url))).status).toBe(410)
      },
      PATIENCE_MS,
    )

    test(
      'goes on where it was after it was killed',
      async () => {
        const label = `${recipe.file} killed`
        const running = start(everything(label))
        await during(running, proxy.stallAfter(12 * MEBIBYTE))
        // A chunk has been acknowledged: from there on it must go on.
        await until(async () =>
          (await uploadsOf(label)).some(
            ({ filename, offset }) => filename === 'orthophoto.tif' && offset > 0,
          ),
        )
        process.kill(-Number(running.child.pid), 'SIGKILL')
        await running.ended
        proxy.cut()
        proxy.goOn()
        const [interrupted] = await uploadsOf(label)

        const ended = await succeed(start(everything(label)))
        await expectAllTheWay(label)
        const [resumedAt] = offsetsIn(ended)
        expect(resumedAt).toBeGreaterThanOrEqual(Number(interrupted?.offset))
        expect(resumedAt).toBeGreaterThan(0)
      },
      PATIENCE_MS,
    )

    test(
      'has one upload of a file after the answer to its creation was lost',
      async () => {
        const label = `${recipe.file} lost answer`
        const thief = await startAnswerThief(server.url, ['POST /uploads'])
        try {
          await succeed(start(everything(label), { ANTIPASTO_URL: thief.url }))
          expect(thief.stolen()).toBe(1)
        } finally {
          await thief.close()
        }
        await expectAllTheWay(label)
      },
      PATIENCE_MS,
    )

    test(
      'ends with the server’s words on a refusal, and with nothing done',
      async () => {
        const label = `${recipe.file} refused`
        const { body } = await new RestClient(server, 'not-a-key').send('GET', '/me')
        const stranger = await start(everything(label), { ANTIPASTO_TOKEN: 'not-a-key' }).ended
        expect(stranger.exitCode).toBe(1)
        expect(stranger.stderr).toContain(JSON.parse(body.toString()).detail)
        expect(await uploadsOf(label)).toEqual([])

        expect(await start([...command]).ended).toMatchObject({
          exitCode: 1,
          stderr: expect.stringContaining('LABEL EML.xml FILE...'),
        })
        expect(await start(everything(label), { ANTIPASTO_TOKEN: '' }).ended).toMatchObject({
          exitCode: 1,
          stderr: expect.stringContaining('export ANTIPASTO_TOKEN=...'),
        })

        // A colleague's unfinished upload of the same label keeps the package open.
        const opened = await rest.json('POST', '/uploads', { filename: 'late.csv', label, size: 3 })
        const open = await start(everything(label)).ended
        expect(open.exitCode).toBe(1)
        expect(open.stderr).toContain('late.csv')
        expect(
          bodyOf<{ state: string }>(await rest.send('GET', `/packages/${bodyOf<Report>(opened).package_id}`)),
        ).toMatchObject({ state: 'open' })
      },
      PATIENCE_MS,
    )

    test(
      'tells of a file that changes while it is sent',
      async () => {
        const label = `${recipe.file} changes`
        const running = start(everything(label))
        await during(running, proxy.stallAfter(12 * MEBIBYTE))
        await writeFile(path.join(lake.folder, 'orthophoto.tif'), Buffer.alloc(20 * MEBIBYTE + 7, 'x'))
        await sleep(100)
        proxy.goOn()
        const ended = await running.ended
        expect(ended.exitCode).toBe(1)
        expect(ended.stderr).toMatch(/^orthophoto\.tif: The declared sha256 is /m)
        expect((await uploadsOf(label)).find(({ filename }) => filename === 'orthophoto.tif')).toMatchObject({
          state: 'failed',
          error: { code: 'HASH_MISMATCH' },
        })
      },
      PATIENCE_MS,
    )
  })
}

describe('the page on the recipes', () => {
  test('links to every recipe, and to nothing that is not there', async () => {
    const folder = new URL('../../../docs/', import.meta.url)
    const page = await readFile(new URL('recipes.md', folder), 'utf8')
    const links = [...page.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => String(target))
    for (const link of links) await expect(readFile(new URL(link, folder))).resolves.toBeDefined()
    expect(links).toEqual(expect.arrayContaining(RECIPES.map(({ file }) => `recipes/${file}`)))
  })
})
