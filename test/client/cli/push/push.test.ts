import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../../client/api/antipasto.js'
import type { Report } from '../../../../client/api/types.js'
import { type CuttingProxy, startCuttingProxy } from '../../../end-to-end/cutting-proxy.js'
import { startServer, type TestServer } from '../../../support/server.js'
import { type CliOptions, jsonLines, makeHome, runCli, runInTerminal, startCli } from '../run.js'

const MIB = 1024 ** 2

let proxy: CuttingProxy
let server: TestServer
let antipasto: Antipasto
/** As the command sees the server: through the proxy. */
let remote: { url: string; key: string }
let home: string
let folder: string
let label: string
let labels = 0

beforeAll(async () => {
  proxy = await startCuttingProxy()
  server = await startServer({ env: { PUBLIC_URL: proxy.url, MIN_FREE_BYTES: '1MiB' } })
  proxy.forwardTo(server.url)
  remote = { url: proxy.url, key: server.key }
  antipasto = new Antipasto({ url: server.url, token: server.key })
})

afterAll(async () => {
  await server.dispose()
  await proxy.close()
})

beforeEach(async () => {
  home = await makeHome()
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-push-'))
  labels += 1
  label = `label ${labels}`
})

afterEach(async () => {
  await rm(home, { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
})

const run = (args: string[], options: CliOptions = {}) =>
  runCli(['push', ...args], { server: remote, home, cwd: folder, ...options })
const push = (...args: string[]) => run([...args, '--label', label])
const here = (...parts: string[]) => path.join(folder, ...parts)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function put(name: string, bytes: Uint8Array | string = name): Promise<void> {
  await mkdir(path.dirname(here(name)), { recursive: true })
  await writeFile(here(name), bytes)
}

async function reports(): Promise<Report[]> {
  const all: Report[] = []
  for await (const report of antipasto.uploads.list({ label })) all.push(report)
  return all
}

/** What is there under the label: paths and digests. */
async function stored(): Promise<Record<string, string | undefined>> {
  const ready = (await reports()).filter(({ state }) => state === 'ready')
  expect(new Set(ready.map((one) => one.relative_path)).size).toBe(ready.length)
  return Object.fromEntries(ready.map((one) => [one.relative_path, one.checksums?.sha256]))
}

/** What is here, as it should be there. */
async function local(prefix = ''): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
  const digests = files.map(async (file) => [
    prefix + path.relative(folder, file),
    sha256(await readFile(file)),
  ])
  return Object.fromEntries(await Promise.all(digests))
}

describe('push of a folder', () => {
  beforeEach(async () => {
    await put('empty', '')
    await put('a.csv')
    await put('raw/é ü.csv')
    await put('raw/deep/128k', randomBytes(128 * 1024))
    await put('raw/deep/more', randomBytes(128 * 1024 + 1))
    await put('raw/middle', randomBytes(MIB))
    await put('large', randomBytes(3 * MIB + 7))
  })

  test('sends every file under its path, verified, and a second time nothing', async () => {
    const first = await push('.')
    expect(first.stderr).toContain('sent  3.0 MB  large\n')
    expect(first.stdout).toMatch(
      /^Sent and verified: 7 files, 4\.3 MB in \d+ s \(.+\/s\)\.\nPackage [0-9a-f]{40} \(label/,
    )
    expect(first.exitCode).toBe(0)
    expect(await stored()).toEqual(await local())
    const types = Object.fromEntries((await reports()).map((one) => [one.relative_path, one.content_type]))
    expect([types['a.csv'], types.large]).toEqual(['text/csv', null])

    const again = await push('.')
    expect(again).toMatchObject({ exitCode: 0 })
    expect(again.stdout).toMatch(/^Already there: 7 files, 4\.3 MB\.\nPackage /)
    expect(await reports()).toHaveLength(7)
  })

  test('keeps the name of a folder without a slash at its end', async () => {
    expect(await push(path.join(folder, 'raw'))).toMatchObject({ exitCode: 0 })
    expect(Object.keys(await stored()).sort()).toEqual([
      'raw/deep/128k',
      'raw/deep/more',
      'raw/middle',
      'raw/é ü.csv',
    ])
  })

  test('with --json says how each file ended, and the whole', async () => {
    await put('bad\\name')
    const { exitCode, stdout } = await push('.', '--json')
    const events = jsonLines(stdout) as Record<string, unknown>[]
    const summary = events.pop()
    expect(summary).toMatchObject({
      event: 'summary',
      sent: 7,
      kept: 0,
      failed: 1,
      is_finished: true,
      exit_code: 3,
    })
    expect(exitCode).toBe(3)
    expect(events).toHaveLength(8)
    const failed = events.find(({ outcome }) => outcome === 'failed')
    expect(failed).toMatchObject({ event: 'file', local_path: 'bad\\name', error: { code: 'UNSENDABLE' } })
    const large = events.find((event) => event.path === 'large')
    const report = await antipasto.uploads.report(String(large?.upload_id))
    expect(large).toMatchObject({
      outcome: 'sent',
      size: 3 * MIB + 7,
      sha256: report.checksums?.sha256,
      error: null,
    })
  })

  test('--finalize freezes the package, once everything is there, and asks no more of a second time', async () => {
    const first = await push('.', '--finalize')
    const id = /Package (\w+) \(label .*\) is finalized/.exec(first.stdout)?.[1] ?? ''
    expect(first.exitCode).toBe(0)
    expect(await antipasto.packages.get(id)).toMatchObject({ state: 'finalized' })
    const again = await push('.', '--finalize')
    expect(again.stdout).toContain('Already there: 7 files')
    expect(again.stdout).toContain(`Package ${id}`)
    expect(again.exitCode).toBe(0)
    expect(await reports()).toHaveLength(7)
  })

  test('--finalize leaves the package open when a file was not sent', async () => {
    await put('bad\\name')
    const { exitCode, stdout, stderr } = await push('.', '--finalize')
    expect(exitCode).toBe(3)
    expect(stderr).toContain('The package was not finalized, as not all files were sent.\n')
    expect(stdout).toMatch(/Package \w+ \(label .*\) is open/)
  })

  test('--verify reads the files once more, and exits with 5 when one has changed', async () => {
    const good = await push('.', '--verify')
    expect(good.stdout).toContain('Read once more: 7 files the same, 0 different.')
    expect(good.exitCode).toBe(0)
    // Its size and its time tell nothing.
    await put('b.csv', 'as it was')
    await utimes(here('b.csv'), 1000, 1000)
    await push('b.csv')
    await writeFile(here('b.csv'), 'otherwise')
    await utimes(here('b.csv'), 1000, 1000)
    const bad = await push('b.csv', '--verify')
    expect(bad.stderr).toContain('b.csv differs from what the server has: its SHA-256 is ')
    expect(bad.stdout).toContain('Read once more: 0 files the same, 1 different.')
    expect(bad.exitCode).toBe(5)
  })

  test('--dry-run says what would be sent, and sends nothing', async () => {
    const { exitCode, stdout } = await push('.', '--dry-run', '--exclude', 'deep')
    expect(stdout).toBe(
      `${['a.csv  5 B', 'empty  0 B', 'large  3.0 MB', 'raw/middle  1.0 MB', 'raw/é ü.csv  13 B'].join('\n')}\n5 files, 4.0 MB would be sent.\n`,
    )
    expect(exitCode).toBe(0)
    expect(await reports()).toEqual([])
  })

  test('goes on with --parallel and --chunk as without', async () => {
    await put('huge', randomBytes(33 * MIB))
    expect(await push('.', '--parallel', '3', '--chunk', '5MiB', '--jobs', '2')).toMatchObject({
      exitCode: 0,
    })
    expect(await stored()).toEqual(await local())
  })

  test('without a label or package each file stands for itself, and one alone is told by its upload', async () => {
    const { exitCode, stdout } = await run(['a.csv'])
    expect(exitCode).toBe(0)
    const id = /^Upload (\w+)\. Its URL for others: antipasto url \1$/m.exec(stdout)?.[1] ?? ''
    expect(await antipasto.uploads.report(id)).toMatchObject({
      relative_path: 'a.csv',
      package_id: null,
      state: 'ready',
    })
    expect((await run(['a.csv'])).stdout).toContain('Already there: 1 file')
  })

  test('--package puts the files there; one that is not there is told at once', async () => {
    const { id } = await antipasto.packages.create({ name: 'mine' })
    expect(await run(['raw', '--package', id])).toMatchObject({ exitCode: 0 })
    const paths: (string | null)[] = []
    for await (const report of antipasto.packages.files(id)) paths.push(report.relative_path)
    expect(paths).toHaveLength(4)
    const missing = await run(['raw', '--package', 'f'.repeat(40)])
    expect(missing.exitCode).toBe(1)
    expect(missing.stderr).toMatch(/^antipasto: .*package.*\n$/i)
    expect(missing.stdout).toBe('')
  })

  test('two pushes of the same folder at once send it once', async () => {
    const results = await Promise.all([push('.'), push('.')])
    for (const { exitCode, stdout } of results) {
      expect(stdout).toMatch(/7 files|3 files|[1-7] file/)
      expect(exitCode).toBe(0)
    }
    expect(await stored()).toEqual(await local())
    expect((await reports()).filter(({ state }) => state !== 'ready')).toEqual([])
  })
})

describe('bad input', () => {
  test('one line each, the rest goes on, all of it again in the summary', async () => {
    await put('good.csv')
    await put('data/new\nline')
    await put('data/sub/file.csv')
    await writeFile(Buffer.from(here('data/bad\xff'), 'latin1'), 'x')
    await symlink('..', here('data/sub/up'))
    await symlink('nothing', here('data/broken'))
    execFileSync('mkfifo', [here('data/fifo')])
    const socket = net.createServer().listen(here('data/socket'))
    const { exitCode, stdout, stderr } = await push('data', 'good.csv', 'vanished')
    socket.close()
    expect(exitCode).toBe(3)
    for (const line of [
      'data/bad\\xff was not sent: its name is not valid UTF-8; rename it.',
      'data/broken was not sent: it is a symbolic link that leads to nothing.',
      'data/fifo was not sent: it is a named pipe (FIFO), not a file.',
      'data/new\\nline was not sent: its name has a control character or a line break; rename it.',
      'data/socket was not sent: it is a socket, not a file.',
      'data/sub/up was not sent: it is a link to a folder that is sent under its own name.',
      'vanished was not sent: it is not there (any more).',
    ]) {
      expect(stderr.split('\n').filter((one) => one === line)).toHaveLength(1)
    }
    expect(stdout).toContain('Sent and verified: 2 files')
    expect(stdout).toContain('Passed over: 3, told above.\nNOT sent: 4 files.\n')
    expect(stdout).toContain('  data/new\\nline: its name has')
    expect(stdout).toContain(`To try again: antipasto push data good.csv vanished --label '${label}'`)
    expect(Object.keys(await stored()).sort()).toEqual(['data/sub/file.csv', 'good.csv'])
  })

  test('nothing but bad files fails as a whole', async () => {
    const { exitCode, stdout } = await push('nowhere')
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^NOT sent: 1 file\.\n/)
  })

  test('a file that grows while it is sent is told, and nothing of it stays', async () => {
    await put('grows', randomBytes(8 * MIB))
    await put('good.csv')
    proxy.delay(20)
    const running = startCli(['push', '.', '--label', label, '--chunk', '1MiB'], {
      server: remote,
      home,
      cwd: folder,
    })
    await waitForOffset(MIB)
    await appendFile(here('grows'), 'more')
    proxy.delay(0)
    const { exitCode, stderr } = await running.ended
    expect(stderr).toContain(
      'grows was not sent: it grew while it was being sent. Send it again when it is complete.\n',
    )
    expect(exitCode).toBe(3)
    expect(Object.keys(await stored())).toEqual(['good.csv'])
    expect((await reports()).length).toBe(1)
    // And when it is quiet, it goes.
    expect(await push('.')).toMatchObject({ exitCode: 0 })
    expect(await stored()).toEqual(await local())
  })

  test('a file that becomes shorter while it is sent is told', async () => {
    await put('shrinks', randomBytes(8 * MIB))
    proxy.delay(20)
    const running = startCli(['push', '.', '--label', label, '--chunk', '1MiB'], {
      server: remote,
      home,
      cwd: folder,
    })
    await waitForOffset(MIB)
    await truncate(here('shrinks'), 2 * MIB)
    proxy.delay(0)
    const { exitCode, stderr } = await running.ended
    expect(stderr).toMatch(/shrinks was not sent: it (became shorter|changed) while/)
    expect(exitCode).toBe(1)
    expect(await reports()).toEqual([])
  })

  test('usage errors exit with 2 and say what is right', async () => {
    await put('a')
    for (const [args, words] of [
      [['a', '--finalize'], '--finalize is for a package'],
      [['a', '--label', 'x', '--package', 'y'], 'not both'],
      [['a', '--label', 'x\ny'], 'A label is a line'],
      [['a', '--chunk', 'big'], 'A size is written like 8MiB'],
      [['a', '--jobs', '0'], 'from 1 to 99'],
      [[], 'paths'],
    ] as const) {
      const { exitCode, stderr } = await run([...args])
      expect(stderr).toContain(words)
      expect(exitCode).toBe(2)
    }
  })

  test('a state folder that can not be written to is told, and everything is sent', async () => {
    await put('a.csv')
    await put('large', randomBytes(2 * MIB))
    await put('state', 'a file where a folder should be')
    const { exitCode, stderr } = await run(['a.csv', 'large', '--label', label], {
      env: { ANTIPASTO_STATE_DIR: here('state') },
    })
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(
      /^What is sent can't be remembered in .*: a part of its path is a file, not a folder\. Set/m,
    )
    expect(Object.keys(await stored()).sort()).toEqual(['a.csv', 'large'])
  })
})

describe('what is wrong with the server', () => {
  beforeEach(() => put('a.csv'))

  test.each([
    ['a wrong key', { key: 'wrong-key-0123456789' }, 4, /^antipasto: /],
    [
      'a name that is not there',
      { url: 'http://nowhere.invalid' },
      1,
      /The name nowhere\.invalid was not found/,
    ],
    ['a port where nobody listens', { url: 'http://127.0.0.1:10' }, 1, /Nothing listens at 127\.0\.0\.1:10/],
  ])('%s is said at once', async (_, wrong, code, words) => {
    const startedAt = performance.now()
    const { exitCode, stdout, stderr } = await runCli(['push', 'a.csv'], {
      server: { ...remote, ...wrong },
      home,
      cwd: folder,
    })
    expect(stderr).toMatch(words)
    expect(exitCode).toBe(code)
    expect(stdout).toBe('')
    expect(performance.now() - startedAt).toBeLessThan(25_000)
  })

  test('a captive portal is said at once', async () => {
    const portal = http.createServer((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html><body>Please sign in</body></html>')
    })
    await new Promise<void>((resolve) => portal.listen(0, '127.0.0.1', resolve))
    const { port } = portal.address() as net.AddressInfo
    const url = `http://127.0.0.1:${port}`
    const { exitCode, stderr } = await runCli(['push', 'a.csv'], {
      server: { ...remote, url },
      home,
      cwd: folder,
    })
    portal.closeAllConnections()
    portal.close()
    expect(stderr).toContain('A web page answered (status 200')
    expect(exitCode).toBe(1)
  })

  test('a key that may not upload is said at once', async () => {
    const { key } = await antipasto.keys.create({ name: 'reader', scopes: ['read'] })
    const { exitCode, stderr } = await runCli(['push', 'a.csv'], {
      server: { ...remote, key },
      home,
      cwd: folder,
    })
    expect(stderr).toContain('This credential may not upload')
    expect(exitCode).toBe(4)
  })

  test('a key that is revoked in the middle ends the push, and another goes on from there', async () => {
    const { id, key } = await antipasto.keys.create({
      name: 'soon gone',
      scopes: ['upload', 'read', 'delete'],
    })
    await put('large', randomBytes(6 * MIB))
    proxy.delay(20)
    const running = startCli(['push', '.', '--label', label, '--chunk', '1MiB'], {
      server: { ...remote, key },
      home,
      cwd: folder,
    })
    await waitForOffset(MIB)
    await antipasto.keys.revoke(id)
    const { exitCode, stdout, stderr } = await running.ended
    proxy.delay(0)
    expect(exitCode).toBe(4)
    expect(stderr).toMatch(/^antipasto: .*ANTIPASTO_TOKEN/m)
    expect(stdout).toContain('Not finished. To go on: antipasto push . --label')
    const [before] = (await reports()).filter(({ state }) => state === 'receiving')
    expect(await push('.')).toMatchObject({ exitCode: 0 })
    const after = (await reports()).find((one) => one.relative_path === 'large')
    expect(after?.id).toBe(before?.id)
    expect(await stored()).toEqual(await local())
  })

  test('a finalized package is said once, however many files there are', async () => {
    const { id } = await antipasto.packages.create({ name: 'closed' })
    await antipasto.files.create(Buffer.from('x'), { filename: 'x', label: 'other' })
    await run(['a.csv', '--package', id, '--finalize'])
    for (let at = 0; at < 30; at += 1) await put(`more/${at}`)
    const { exitCode, stdout, stderr } = await run(['more', '--package', id])
    expect(exitCode).toBe(1)
    expect(stderr.match(/finalized/g)).toHaveLength(1)
    expect(stdout).toContain('Not finished. To go on:')
  })
})

describe('going on', () => {
  test('a file that was removed on the server is sent again, and said', async () => {
    await put('a.csv')
    await put('b.csv')
    await push('.')
    const [one] = await reports()
    await antipasto.uploads.remove(one?.id ?? '')
    const { exitCode, stdout, stderr } = await push('.')
    expect(stderr).toContain(`${one?.relative_path} is no longer on the server; it is sent again.\n`)
    expect(stdout).toContain('Sent and verified: 1 file')
    expect(stdout).toContain('Already there: 1 file')
    expect(exitCode).toBe(0)
    expect(await stored()).toEqual(await local())
  })

  test('what was sent before and not remembered is compared, and is there already', async () => {
    await put('a.csv')
    await put('large', randomBytes(2 * MIB))
    await push('.')
    await rm(path.join(home, '.local'), { recursive: true })
    const { exitCode, stdout } = await push('.')
    expect(stdout).toContain('Already there: 2 files')
    expect(exitCode).toBe(0)
    expect(await reports()).toHaveLength(2)
  })

  test('a file that only has another time is there already', async () => {
    await put('a.csv')
    await push('.')
    await utimes(here('a.csv'), 1, 1)
    const { exitCode, stdout } = await push('.')
    expect(stdout).toContain('Already there: 1 file')
    expect(exitCode).toBe(0)
    expect(await reports()).toHaveLength(1)
  })

  test('another file at a path that is taken is told with what to do, and the rest goes on', async () => {
    await put('a.csv')
    await push('.')
    const [there] = await reports()
    await put('a.csv', 'something else')
    await put('b.csv')
    const { exitCode, stderr } = await push('.')
    expect(stderr).toContain(
      `a.csv was not sent: the package has another file at this path; remove that with \`antipasto rm ${there?.id}\`, or push with another label.\n`,
    )
    expect(exitCode).toBe(3)
    expect(Object.keys(await stored()).sort()).toEqual(['a.csv', 'b.csv'])
  })

  test('ctrl-C pauses and says how to go on; the same command does, without sending twice', async () => {
    await put('large', randomBytes(8 * MIB))
    proxy.delay(20)
    const running = startCli(['push', 'large', '--label', label, '--chunk', '1MiB'], {
      server: remote,
      home,
      cwd: folder,
    })
    await waitForOffset(2 * MIB)
    running.kill('SIGINT')
    const paused = await running.ended
    proxy.delay(0)
    expect(paused.exitCode).toBe(130)
    expect(paused.stderr).toMatch(/^Under way: 1 file, [2-8]\.0 MB of 8\.0 MB are on the server\.$/m)
    expect(paused.stderr).toContain(
      `Not finished. To go on: antipasto push large --label '${label}' --chunk 1MiB\n`,
    )
    const [before] = await reports()
    expect(before).toMatchObject({ state: 'receiving' })
    const { exitCode } = await push('large')
    expect(exitCode).toBe(0)
    expect(await reports()).toMatchObject([{ id: before?.id, state: 'ready' }])
    expect(await stored()).toEqual(await local())
  })

  test('a file that changed since it was begun is sent from the start, and the old upload is gone', async () => {
    await put('large', randomBytes(8 * MIB))
    await stopInTheMiddle('large')
    const [before] = await reports()
    await put('large', randomBytes(8 * MIB))
    const { exitCode, stderr } = await push('large')
    expect(stderr).toContain('large changed since it was begun; it is sent from the start.\n')
    expect(exitCode).toBe(0)
    expect(await reports()).toMatchObject([{ state: 'ready' }])
    expect((await reports())[0]?.id).not.toBe(before?.id)
    expect(await stored()).toEqual(await local())
  })

  test('one that changed behind its size and time is found out by its digest', async () => {
    const bytes = randomBytes(8 * MIB)
    await put('large', bytes)
    await utimes(here('large'), 1000, 1000)
    await stopInTheMiddle('large')
    bytes[100] = (bytes[100] ?? 0) ^ 1
    await writeFile(here('large'), bytes)
    await utimes(here('large'), 1000, 1000)
    const { exitCode, stderr } = await push('large')
    expect(stderr).toMatch(
      /large changed since it was begun; it is sent from the start|was not sent: The server has bytes/,
    )
    if (exitCode !== 0) expect(await push('large')).toMatchObject({ exitCode: 0 })
    expect(await stored()).toEqual(await local())
  })

  test('an upload that was removed in the meantime is begun again, and said', async () => {
    await put('large', randomBytes(8 * MIB))
    await stopInTheMiddle('large')
    const [before] = await reports()
    await antipasto.uploads.remove(before?.id ?? '')
    const { exitCode, stderr } = await push('large')
    expect(stderr).toContain('large was ended on the server; it is sent from the start.\n')
    expect(exitCode).toBe(0)
    expect(await stored()).toEqual(await local())
  })

  test('a file that was moved within the tree is another one, sent under its new path', async () => {
    await put('a.csv')
    await push('.')
    await rename(here('a.csv'), here('b.csv'))
    expect(await push('.')).toMatchObject({ exitCode: 0 })
    expect(Object.keys(await stored()).sort()).toEqual(['a.csv', 'b.csv'])
  })

  test('a broken line is waited out, said, and the bytes go on from where they were', async () => {
    await put('large', randomBytes(6 * MIB))
    const cut = proxy.cutAfter(3 * MIB)
    const running = push('large')
    await cut
    const { exitCode } = await running
    expect(exitCode).toBe(0)
    expect(await stored()).toEqual(await local())
  })
})

describe('any tus server', () => {
  test('gets files by --endpoint, without reports', async () => {
    await put('a.csv')
    await put('large', randomBytes(2 * MIB))
    // The very server, under a URL that the command doesn't know for it.
    const endpoint = `${server.url}/uploads`
    const { exitCode, stdout } = await run(['.', '--endpoint', endpoint, '--token', server.key])
    expect(stdout).toMatch(/^Sent: 2 files, 2\.0 MB/)
    expect(exitCode).toBe(0)
    const again = await run(['.', '--endpoint', endpoint, '--token', server.key])
    expect(again.stdout).toMatch(/^Already there: 2 files/)
  })

  test('something that does not speak tus is told at once', async () => {
    await put('a.csv')
    const { exitCode, stderr } = await run(['.', '--endpoint', `${server.url}/healthz`])
    expect(stderr).toMatch(/does not speak tus|antipasto: /)
    expect(exitCode).not.toBe(0)
  })
})

describe('on a terminal', () => {
  test('shows what it does in lines that fit, and leaves the summary', async () => {
    await put('a.csv')
    await put(`${'long-name-'.repeat(12)}.bin`, randomBytes(9 * MIB))
    proxy.delay(30)
    const { exitCode, screen } = await runInTerminal(['push', '.', '--label', label], {
      server: remote,
      home,
      cwd: folder,
      columns: 80,
    })
    proxy.delay(0)
    expect(exitCode).toBe(0)
    expect(screen).toMatch(/\[#+\.*\] +\d+ %/)
    expect(screen).toMatch(/of 2 files/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences move the cursor, and take no room
    const lines = screen.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '').split(/[\r\n]/)
    const shown = lines.filter((line) => !/^(Package|Sent)/.test(line))
    expect(Math.max(...shown.map((line) => line.length))).toBeLessThan(80)
    expect(screen).toContain('Sent and verified: 2 files')
  })
})

/** Waits until the server has that much of the one upload that is receiving. */
async function waitForOffset(bytes: number): Promise<void> {
  for (;;) {
    const receiving = (await reports()).find(({ state }) => state === 'receiving')
    if ((receiving?.offset ?? 0) >= bytes) return
    await sleep(50)
  }
}

/** Sends some of it, and is interrupted. */
async function stopInTheMiddle(name: string): Promise<void> {
  proxy.delay(20)
  const running = startCli(['push', name, '--label', label, '--chunk', '1MiB'], {
    server: remote,
    home,
    cwd: folder,
  })
  await waitForOffset(2 * MIB)
  running.kill('SIGINT')
  expect(await running.ended).toMatchObject({ exitCode: 130 })
  proxy.delay(0)
}
