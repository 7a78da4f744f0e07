// A server that lies: what it calls its files must not lead out of the folder that the user has named.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { jsonLines, runCli } from '../run.js'

const BYTES = Buffer.from('owned\n')
const ID = 'a'.repeat(40)

let base: string
let target: string
let liar: http.Server
let url: string
/** The paths of the files that it has. */
let paths: string[]
/** What it sends for them. */
let sent: Buffer

beforeEach(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'antipasto-hostile-'))
  target = path.join(base, 'home', 'target')
  await mkdir(target, { recursive: true })
  sent = BYTES
  liar = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', url)
    response.setHeader('x-request-id', 'liar')
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (pathname === `/packages/${ID}`) json({ id: ID, name: 'trap', label: null })
    else if (pathname === `/packages/${ID}/files`) json({ items: paths.map(report), next_cursor: null })
    else if (pathname.startsWith('/r/')) {
      response.writeHead(200, { 'content-length': sent.byteLength, etag: `"${sha256(BYTES)}"` }).end(sent)
    } else json({ code: 'NOT_FOUND', detail: 'No.' }, 404)
  })
  liar.listen(0, '127.0.0.1')
  await once(liar, 'listening')
  url = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`
})

afterEach(async () => {
  liar.closeAllConnections()
  liar.close()
  await rm(base, { recursive: true, force: true })
})

function report(relativePath: string, index: number) {
  return {
    id: String(index).padStart(40, '0'),
    state: 'ready',
    relative_path: relativePath,
    filename: 'a.csv',
    size: BYTES.byteLength,
    offset: BYTES.byteLength,
    checksums: { md5: '', sha1: '', sha256: sha256(BYTES) },
    retrieval_url: `${url}/r/${'t'.repeat(27)}/${index}`,
    error: null,
  }
}

const pull = (...args: string[]) =>
  runCli(['pull', ID, target, ...args], { env: { ANTIPASTO_URL: url }, cwd: base })
const everything = async () => (await readdir(base, { recursive: true })).sort()

describe('a hostile server', () => {
  test('writes nothing outside of the target, whatever it calls its files', async () => {
    paths = [
      '../../escaped.csv',
      '../escaped.csv',
      `${base}/absolute.csv`,
      '/etc/antipasto-was-here',
      'a/../../escaped.csv',
      'C:\\escaped.csv',
      'C:/escaped.csv',
      '..\\escaped.csv',
      'nul\0byte.csv',
      'new\nline.csv',
      '',
      '.',
      '..',
      './/x',
      'good/fine.csv',
    ]
    const { exitCode, stdout, stderr } = await pull('--json')
    expect(exitCode).toBe(3)
    expect(await everything()).toEqual(
      ['home', 'home/target', 'home/target/good', 'home/target/good/fine.csv'].sort(),
    )
    expect(jsonLines(stdout).at(-1)).toMatchObject({ files: 15, fetched: 1, failed: 14 })
    expect(stderr).not.toContain('\0')
    expect(stderr.trimEnd().split('\n')).toHaveLength(14)
  })

  test('follows no link that leads out, neither for a folder nor for a file nor for its part', async () => {
    await mkdir(path.join(base, 'secret'))
    await writeFile(path.join(base, 'secret', 'mine.txt'), 'mine')
    await symlink(path.join(base, 'secret'), path.join(target, 'folder'))
    await symlink('../../secret/mine.txt', path.join(target, 'file.txt'))
    await symlink('../../secret/mine.txt', path.join(target, 'other.txt.part'))
    paths = ['folder/mine.txt', 'folder/new/deep.txt', 'file.txt', 'other.txt']
    const { exitCode } = await pull('--force')
    expect(exitCode).toBe(1)
    expect(await readFile(path.join(base, 'secret', 'mine.txt'), 'utf8')).toBe('mine')
    expect(await readdir(path.join(base, 'secret'))).toEqual(['mine.txt'])
  })

  test('mixes no file with the part of another', async () => {
    paths = ['a.csv', 'a.csv.part', 'a.csv']
    const { exitCode, stderr } = await pull()
    expect(exitCode).toBe(3)
    expect(stderr.match(/another file takes the path/g)).toHaveLength(2)
    expect(await readFile(path.join(target, 'a.csv'))).toEqual(BYTES)
    expect(await readdir(target)).toEqual(['a.csv'])
  })

  test('is caught when it sends other bytes than it has told', async () => {
    paths = ['a.csv', 'b.csv']
    sent = Buffer.from('other\n')
    const { exitCode, stderr } = await pull()
    expect(exitCode).toBe(5)
    expect(stderr.match(/was not pulled: /g)).toHaveLength(2)
    expect(await readdir(target)).toEqual([])
  })

  test('makes lines of terminal codes in names', async () => {
    paths = ['\u001b[2J\u202Egnp.exe', 'x\u202Egnp.csv']
    const { stderr } = await pull()
    expect(stderr).not.toContain('\u001b')
    expect(stderr).not.toContain('\u202e')
  })
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
