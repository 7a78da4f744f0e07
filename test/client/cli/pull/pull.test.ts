import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../../client/api/antipasto.js'
import type { StoredFile } from '../../../../client/api/types.js'
import { type CuttingProxy, startCuttingProxy } from '../../../end-to-end/cutting-proxy.js'
import { startServer, type TestServer } from '../../../support/server.js'
import { jsonLines, runCli, runInTerminal, startCli } from '../run.js'

const MIB = 1024 ** 2

let proxy: CuttingProxy
let server: TestServer
let antipasto: Antipasto
let folder: string

beforeAll(async () => {
  proxy = await startCuttingProxy()
  server = await startServer({ env: { PUBLIC_URL: proxy.url } })
  proxy.forwardTo(server.url)
  antipasto = new Antipasto({ url: server.url, token: server.key })
})

afterAll(async () => {
  await server.dispose()
  await proxy.close()
})

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-pull-'))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const here = (...parts: string[]) => path.join(folder, ...parts)
const pull = (...args: string[]) => runCli(['pull', ...args], { server, cwd: folder })
const files = async () =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort()

function send(filename: string, bytes: Uint8Array, at: { label?: string; relativePath?: string } = {}) {
  return antipasto.files.create(new Uint8Array(bytes), { filename, ...at })
}

describe('pull of one upload', () => {
  let bytes: Buffer
  let file: StoredFile

  beforeAll(async () => {
    bytes = randomBytes(3 * MIB)
    file = await send('temperature.csv', bytes)
  })

  test('goes into this folder under its own name, verified', async () => {
    const { exitCode, stdout } = await pull(file.upload_id)
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: 'temperature.csv: pulled and verified, 3.0 MB\n',
    })
    expect(await files()).toEqual(['temperature.csv'])
    expect((await readFile(here('temperature.csv'))).equals(bytes)).toBe(true)
  })

  test('goes to a file, into a folder, and into one that is made', async () => {
    await mkdir(here('folder'))
    expect((await pull(file.upload_id, 'named.csv')).exitCode).toBe(0)
    expect((await pull(file.upload_id, 'folder')).exitCode).toBe(0)
    expect((await pull(file.upload_id, 'new/')).exitCode).toBe(0)
    expect(await files()).toEqual(['folder/temperature.csv', 'named.csv', 'new/temperature.csv'])
  })

  test('goes by its URL, and by its retrieval URL without any credential', async () => {
    expect((await pull(`${server.url}/uploads/${file.upload_id}`, 'by-url.csv')).exitCode).toBe(0)
    const byRetrieval = await runCli(['pull', file.retrieval_url ?? '', 'by-retrieval.csv'], {
      env: { ANTIPASTO_URL: server.url },
      cwd: folder,
    })
    expect(byRetrieval).toMatchObject({ exitCode: 0 })
    expect((await readFile(here('by-retrieval.csv'))).equals(bytes)).toBe(true)
    expect(await files()).toEqual(['by-retrieval.csv', 'by-url.csv'])
  })

  test('keeps an equal file without fetching anything', async () => {
    await writeFile(here('temperature.csv'), bytes)
    const { exitCode, stdout } = await pull(file.upload_id, '--json')
    expect(exitCode).toBe(0)
    expect(jsonLines(stdout)).toEqual([
      {
        event: 'file',
        id: file.upload_id,
        path: 'temperature.csv',
        outcome: 'kept',
        size: bytes.byteLength,
        sha256: file.file_id,
        error: null,
      },
    ])
  })

  test('leaves a file that differs alone, with exit code 5, and replaces it with --force', async () => {
    const other = Buffer.from(bytes)
    other[100] = (other[100] ?? 0) ^ 1
    await writeFile(here('temperature.csv'), other)
    const refused = await pull(file.upload_id)
    expect(refused.exitCode).toBe(5)
    expect(refused.stderr).toMatch(/^antipasto: .*temperature\.csv.*\n$/)
    expect((await readFile(here('temperature.csv'))).equals(other)).toBe(true)
    expect((await pull(file.upload_id, '--force')).exitCode).toBe(0)
    expect((await readFile(here('temperature.csv'))).equals(bytes)).toBe(true)
  })

  test('leaves a file that is longer alone', async () => {
    await writeFile(here('temperature.csv'), Buffer.concat([bytes, Buffer.from('more')]))
    expect((await pull(file.upload_id)).exitCode).toBe(5)
    expect((await stat(here('temperature.csv'))).size).toBe(bytes.byteLength + 4)
  })

  test('tells an unknown id, an unfinished upload, and a word that is missing', async () => {
    const unknown = await pull('0'.repeat(40))
    expect(unknown).toMatchObject({ exitCode: 1, stdout: '' })
    expect(unknown.stderr.split('\n')).toHaveLength(2)
    const begun = await fetch(`${server.url}/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ filename: 'begun.csv', size: 10 }),
    })
    const { id } = (await begun.json()) as { id: string }
    expect((await pull(id)).stderr).toContain('not whole yet (0 % has arrived)')
    expect(await pull()).toMatchObject({ exitCode: 2 })
    expect(await pull('--label', 'x', 'a', 'b')).toMatchObject({ exitCode: 2 })
    expect(await pull(file.upload_id, '--jobs', '0')).toMatchObject({ exitCode: 2 })
    expect(await files()).toEqual([])
  })

  test('tells what the file system refuses', async () => {
    await writeFile(here('file'), '')
    const { exitCode, stderr } = await pull(file.upload_id, 'file/temperature.csv')
    expect(exitCode).toBe(1)
    expect(stderr).toContain("can't be written")
    await mkdir(here('temperature.csv', 'in'), { recursive: true })
    expect((await pull(file.upload_id, 'temperature.csv/')).exitCode).toBe(0)
  })
})

describe('pull over a bad network', () => {
  test('goes on after ten breaks, and fetches nothing twice', async () => {
    const bytes = randomBytes(64 * MIB)
    const { upload_id } = await send('big.bin', bytes)
    const running = startCli(['pull', upload_id, '--json'], { server, cwd: folder, home: folder })
    let isEnded = false
    void running.ended.finally(() => {
      isEnded = true
    })
    let cuts = 0
    for (let at = 4 * MIB; !isEnded && cuts < 10; await sleep(2)) {
      const { size } = await stat(here('big.bin.part')).catch(() => ({ size: 0 }))
      if (size < at) continue
      proxy.cut('reset')
      cuts += 1
      at = size + 4 * MIB
    }
    const { exitCode, stdout } = await running.ended
    expect(exitCode).toBe(0)
    expect(cuts).toBeGreaterThan(3)
    expect(jsonLines(stdout)).toMatchObject([{ outcome: 'fetched', size: bytes.byteLength }])
    expect(sha256(await readFile(here('big.bin')))).toBe(sha256(bytes))
    expect(await files()).toEqual(['big.bin'])
  })

  test('is paused by ctrl-C, says how to go on, and fetches only the rest then', async () => {
    const bytes = randomBytes(96 * MIB)
    const { upload_id } = await send('big.bin', bytes)
    const running = startCli(['pull', upload_id, 'my file.bin'], { server, cwd: folder, home: folder })
    for (;;) {
      const { size } = await stat(here('my file.bin.part')).catch(() => ({ size: 0 }))
      if (size > 8 * MIB) break
      await sleep(1)
    }
    running.kill('SIGINT')
    const paused = await running.ended
    expect(paused.exitCode).toBe(130)
    expect(paused.stderr).toContain(`To go on: antipasto pull ${upload_id} 'my file.bin'`)
    const { size } = await stat(here('my file.bin.part'))
    expect(size).toBeGreaterThan(8 * MIB)
    const rest = await pull(upload_id, 'my file.bin', '--json')
    expect(rest.exitCode).toBe(0)
    expect(sha256(await readFile(here('my file.bin')))).toBe(sha256(bytes))
  })

  test('tells a part that is of something else, and leaves the server out of it', async () => {
    const bytes = randomBytes(2 * MIB)
    const { upload_id } = await send('big.bin', bytes)
    await writeFile(here('big.bin.part'), randomBytes(MIB))
    expect((await pull(upload_id)).exitCode).toBe(5)
    expect((await pull(upload_id)).exitCode).toBe(0)
    expect(sha256(await readFile(here('big.bin')))).toBe(sha256(bytes))
  })
})

describe('pull of many', () => {
  const LABEL = 'lakes 2026'
  const contents = new Map<string, Buffer>()

  beforeAll(async () => {
    for (const [index, name] of [
      'a.csv',
      'data/a.csv',
      'data/deep/b.csv',
      'data/ü 湖.csv',
      'empty.txt',
    ].entries()) {
      const bytes = name === 'empty.txt' ? Buffer.alloc(0) : randomBytes(1000 * (index + 1))
      contents.set(name, bytes)
      await send(name.split('/').at(-1) ?? '', bytes, { label: LABEL, relativePath: name })
    }
  })

  async function expectAll(under: string): Promise<void> {
    for (const [name, bytes] of contents) {
      expect((await readFile(here(under, name))).equals(bytes)).toBe(true)
    }
  }

  test('writes all of a label under a folder, with their paths; again keeps them', async () => {
    const first = await pull('--label', LABEL, 'target')
    expect(first.exitCode).toBe(0)
    expect(first.stdout).toMatch(/^Pulled and verified: 5 files, 9\.8 KB in \d+ s \(.*\/s\), to target\.\n$/)
    expect(first.stderr.split('\n').filter((line) => line.startsWith('pulled  '))).toHaveLength(5)
    await expectAll('target')
    expect((await pull('--label', LABEL, 'target')).stdout).toBe('Here already: 5 files.\n')
    const second = await pull('--label', LABEL, 'target', '--json')
    expect(jsonLines(second.stdout).at(-1)).toMatchObject({
      event: 'summary',
      files: 5,
      fetched: 0,
      kept: 5,
      failed: 0,
      fetched_bytes: 0,
      exit_code: 0,
    })
    expect(jsonLines(second.stdout)).toHaveLength(6)
  })

  test('writes a package by its id, and a label by its name alone', async () => {
    const { value } = await antipasto.packages.list({ label: LABEL }).next()
    expect((await pull(value?.id ?? '', 'by-id')).exitCode).toBe(0)
    await expectAll('by-id')
    expect((await pull(LABEL, 'by-label', '--quiet')).exitCode).toBe(0)
    await expectAll('by-label')
  })

  test('goes on past a file that differs, with exit code 5', async () => {
    await mkdir(here('data'))
    await writeFile(here('data/a.csv'), 'something else')
    const { exitCode, stderr, stdout } = await pull('--label', LABEL)
    expect(exitCode).toBe(5)
    expect(stderr.split('\n').filter((line) => line.startsWith('data/a.csv was not pulled: '))).toHaveLength(
      1,
    )
    expect(stdout).toMatch(
      /^Pulled and verified: 4 files, .*\nNot pulled: 1 file, for the reasons above\.\n$/,
    )
    expect(await readFile(here('data/a.csv'), 'utf8')).toBe('something else')
  })

  test('goes on past what cannot be written, with exit code 3', async () => {
    await writeFile(here('data'), 'a file')
    const { exitCode, stderr } = await pull('--label', LABEL, '--json')
    expect(exitCode).toBe(3)
    expect(stderr).toContain('data/a.csv was not pulled: data is not a folder.')
    expect(await files()).toEqual(['a.csv', 'data', 'empty.txt'])
  })

  test('tells an unknown label, and makes no mistake of it', async () => {
    expect(await pull('--label', 'nothing')).toMatchObject({
      exitCode: 1,
      stderr: 'There is nothing under the label nothing.\n',
    })
  })

  test('shows a display on a terminal that leaves only the summary', async () => {
    proxy.delay(300)
    const args = ['pull', '--label', LABEL, '--jobs', '1']
    const { exitCode, screen } = await runInTerminal(args, { server, cwd: folder, columns: 80 })
    proxy.delay(0)
    expect(exitCode).toBe(0)
    expect(screen).toMatch(/[1-4] of 5 files, .* of 9\.8 KB \(\d+ %\)/)
    expect(screen.trimEnd().split('\n').at(-2)).toContain('Pulled and verified: 5 files')
  })
})

const describeAsRoot = process.getuid?.() === 0 ? describe : describe.skip

describeAsRoot('pull to a full disk', () => {
  let disk: string

  beforeEach(async () => {
    disk = here('disk')
    await mkdir(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])
  })

  afterEach(() => {
    execFileSync('umount', ['-l', disk])
  })

  test('of one file says so in one line, keeps the part, and goes on when there is room', async () => {
    const bytes = randomBytes(6 * MIB)
    const { upload_id } = await send('big.bin', bytes)
    const full = await pull(upload_id, `${disk}/big.bin`)
    expect(full.exitCode).toBe(1)
    expect(full.stderr).toMatch(/^antipasto: .*the disk is full\..*goes on from there\.\n$/)
    const { size } = await stat(`${disk}/big.bin.part`)
    expect(size).toBeGreaterThan(3 * MIB)
    execFileSync('mount', ['-o', 'remount,size=16m', disk])
    expect((await pull(upload_id, `${disk}/big.bin`)).exitCode).toBe(0)
    expect(sha256(await readFile(`${disk}/big.bin`))).toBe(sha256(bytes))
  })

  test('of many stops there, and says once what to do', async () => {
    for (let index = 0; index < 8; index += 1) {
      await send(`${index}.bin`, randomBytes(1.5 * MIB), { label: 'too much', relativePath: `${index}.bin` })
    }
    const { exitCode, stderr, stdout } = await pull('--label', 'too much', disk, '--jobs', '2')
    expect(exitCode).toBe(3)
    expect(
      stderr.match(/The disk is full\. The rest was not tried\. To go on: antipasto pull/g),
    ).toHaveLength(1)
    expect(stdout).toMatch(/^Pulled and verified: [12] files?, /)
    await truncate(`${disk}/0.bin`, 0).catch(() => {})
    execFileSync('mount', ['-o', 'remount,size=32m', disk])
    expect((await pull('--label', 'too much', disk, '--force')).exitCode).toBe(0)
    expect(await readdir(disk)).toHaveLength(8)
  })
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('a wrong key is told once, with exit code 4', async () => {
  const { exitCode, stderr } = await runCli(['pull', '--label', 'lakes'], {
    server: { url: server.url, key: 'wrong' },
    cwd: folder,
  })
  expect({ exitCode, lines: stderr.trimEnd().split('\n').length }).toEqual({ exitCode: 4, lines: 1 })
})
