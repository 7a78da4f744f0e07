import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../../client/api/antipasto.js'
import { startServer, type TestServer } from '../../../support/server.js'
import { jsonLines, runCli, runInTerminal } from '../run.js'

const LABEL = 'lakes'
const FILES = { 'data/a.csv': 'a,1\n', 'data/deep/b.csv': 'b,2\n', 'notes.txt': 'notes', 'data/empty': '' }

let server: TestServer
let packageId: string
let folder: string

beforeAll(async () => {
  server = await startServer()
  const antipasto = new Antipasto({ url: server.url, token: server.key })
  for (const [relativePath, text] of Object.entries(FILES)) {
    const sent = await antipasto.files.create(new TextEncoder().encode(text), {
      filename: path.basename(relativePath),
      label: LABEL,
      relativePath,
    })
    packageId = sent.package_id ?? ''
  }
})

afterAll(() => server.dispose())

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-verify-'))
  for (const [name, text] of Object.entries(FILES)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const verify = (...args: string[]) => runCli(['verify', ...args], { server, cwd: folder })
const write = (name: string, text: string) => writeFile(path.join(folder, name), text)

describe('verify by path', () => {
  test('finds all the same, by label and by package', async () => {
    expect(await verify('.', '--label', LABEL)).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: [
        'same           data/a.csv',
        'same           data/deep/b.csv',
        'same           data/empty',
        'same           notes.txt',
        '4 same',
        '',
      ].join('\n'),
    })
    expect(await verify('data', 'notes.txt', '--package', packageId)).toMatchObject({ exitCode: 0 })
  })

  test('tells what differs, and what is missing here or there, with exit code 5', async () => {
    await write('data/a.csv', 'a,2\n')
    await write('data/deep/b.csv', 'b,2,longer\n')
    await rm(path.join(folder, 'notes.txt'))
    await write('new.txt', 'new')
    const { exitCode, stdout } = await verify('.', '--label', LABEL)
    expect(exitCode).toBe(5)
    expect(stdout.split('\n')).toEqual([
      'differs        data/a.csv',
      'differs        data/deep/b.csv (11 bytes here, 4 there)',
      'same           data/empty',
      'missing there  new.txt',
      'missing here   notes.txt',
      '1 same, 2 differs, 1 missing there, 1 missing here',
      '',
    ])
  })

  test('misses nothing outside of what was named, nor what is excluded', async () => {
    await rm(path.join(folder, 'notes.txt'))
    expect((await verify('data', '--label', LABEL)).exitCode).toBe(0)
    expect((await verify('data/a.csv', '--label', LABEL)).exitCode).toBe(5)
    expect((await verify('.', '--label', LABEL, '--exclude', 'notes.txt')).exitCode).toBe(0)
    expect((await verify('.', '--label', LABEL, '--quiet')).stdout).toBe(
      'missing here   notes.txt\n3 same, 1 missing here\n',
    )
  })

  test('is a line of JSON for each file', async () => {
    await write('data/a.csv', 'a,2\n')
    const { stdout } = await verify('data', '--label', LABEL, '--json')
    const lines = jsonLines(stdout)
    expect(lines[0]).toMatchObject({ event: 'file', path: 'data/a.csv', verdict: 'differs' })
    expect(lines).toHaveLength(4)
    expect(lines.at(-1)).toEqual({
      event: 'summary',
      files: 3,
      same: 2,
      differs: 1,
      missing_there: 0,
      missing_here: 0,
      not_ready: 0,
      unreadable: 0,
      exit_code: 5,
    })
  })

  test('is a table on a terminal, below a display that is gone', async () => {
    const { screen } = await runInTerminal(['verify', '.', '--label', LABEL], { server, cwd: folder })
    expect(screen).toContain(
      'same  data/a.csv\nsame  data/deep/b.csv\nsame  data/empty\nsame  notes.txt\n4 same\n',
    )
  })
})

describe('verify by content', () => {
  test('finds a file wherever it is on the server, and under whatever name', async () => {
    await write('renamed.csv', FILES['data/a.csv'])
    await write('unknown.csv', 'unknown')
    expect(await verify('renamed.csv', 'unknown.csv')).toMatchObject({
      exitCode: 5,
      stdout: 'same           renamed.csv\nmissing there  unknown.csv\n1 same, 1 missing there\n',
    })
  })
})

describe('bad input', () => {
  test('of files that cannot be read: the rest goes on', async () => {
    execFileSync('mkfifo', [path.join(folder, 'pipe')])
    await symlink('nowhere', path.join(folder, 'broken'))
    const { exitCode, stdout, stderr } = await verify('.', '--label', LABEL)
    expect(exitCode).toBe(3)
    expect(stderr).toContain('pipe was not looked at: it is a named pipe')
    expect(stdout).toContain('unreadable     broken (it is a symbolic link that leads to nothing)')
    expect(stdout).toContain('4 same, 1 unreadable')
  })

  test('of a file that vanished, of a folder that is empty, of options that exclude each other', async () => {
    expect(await verify('nowhere.csv', '--label', LABEL)).toMatchObject({ exitCode: 1 })
    await mkdir(path.join(folder, 'empty-folder'))
    const empty = await verify('empty-folder')
    expect(empty).toMatchObject({ exitCode: 1 })
    expect(empty.stderr).toContain('nothing to compare')
    expect(await verify('.', '--label', 'a', '--package', 'b')).toMatchObject({ exitCode: 2 })
    expect(await verify()).toMatchObject({ exitCode: 2 })
  })

  test('of a wrong key ends with exit code 4', async () => {
    const { exitCode, stderr } = await runCli(['verify', 'notes.txt'], {
      server: { url: server.url, key: 'wrong' },
      cwd: folder,
    })
    expect({ exitCode, lines: stderr.trimEnd().split('\n').length }).toEqual({ exitCode: 4, lines: 1 })
  })
})
