import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { nameFilter } from '../../../../client/cli/push/name-filter.js'
import { type Found, walk } from '../../../../client/cli/push/walk.js'

let folder: string
let before: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-walk-'))
  before = process.cwd()
  process.chdir(folder)
})

afterEach(async () => {
  process.chdir(before)
  await rm(folder, { recursive: true, force: true })
})

async function put(...files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, file)
  }
}

async function found(
  roots: string[],
  include: string[] = [],
  exclude: string[] = [],
  isFollowing = false,
): Promise<Found[]> {
  const all: Found[] = []
  for await (const one of walk(roots, nameFilter(include, exclude), { isFollowing })) all.push(one)
  return all
}

/** Relative paths of files; of the others what is said. */
async function seen(...what: Parameters<typeof found>): Promise<string[]> {
  return (await found(...what)).map((one) =>
    one.kind === 'file' ? one.relativePath : `${one.kind} ${one.path}: ${one.reason}`,
  )
}

test('a folder gives its name to its files, one with a slash at its end does not; sorted', async () => {
  await put('data/b.csv', 'data/a/z.csv', 'data/a/y/x.csv', 'data/c.csv')
  const inside = ['a/y/x.csv', 'a/z.csv', 'b.csv', 'c.csv']
  expect(await seen(['data'])).toEqual(inside.map((one) => `data/${one}`))
  expect(await seen(['./data'])).toEqual(inside.map((one) => `data/${one}`))
  expect(await seen([path.join(folder, 'data')])).toEqual(inside.map((one) => `data/${one}`))
  expect(await seen(['data/'])).toEqual(inside)
  expect(await seen(['data/.'])).toEqual(inside)
  process.chdir('data')
  expect(await seen(['.'])).toEqual(inside)
  process.chdir('a')
  expect(await seen(['..'])).toEqual(inside)
})

test('a file gives its name, and several roots come in their order', async () => {
  await put('data/b.csv', 'data/a/z.csv', 'x.csv')
  expect(await seen(['x.csv', 'data/a/z.csv', 'data/a'])).toEqual(['x.csv', 'z.csv', 'a/z.csv'])
})

test('tells sizes, and another version for a changed or replaced file', async () => {
  await put('x.csv')
  const [first] = await found(['x.csv'])
  const [same] = await found(['x.csv'])
  expect(first).toMatchObject({ path: 'x.csv', sizeBytes: 5 })
  expect(same).toEqual(first)
  await utimes('x.csv', 1, 1)
  const [touched] = await found(['x.csv'])
  await put('y.csv')
  await utimes('y.csv', 1, 1)
  await rename('y.csv', 'x.csv')
  const [replaced] = await found(['x.csv'])
  const versions = [first, touched, replaced].map((one) => (one?.kind === 'file' ? one.version : ''))
  expect(new Set(versions).size).toBe(3)
})

test('--include and --exclude choose files, and excluded folders are not entered', async () => {
  await put('data/a.csv', 'data/a.txt', 'data/.git/a.csv', 'data/raw/b.csv')
  execFileSync('mkfifo', ['data/.git/fifo'])
  expect(await seen(['data'], ['*.csv'], ['.git/'])).toEqual(['data/a.csv', 'data/raw/b.csv'])
  expect(await seen(['data'], ['raw/**'])).toEqual(['data/raw/b.csv'])
})

test('links to files are followed; links in circles, into the tree and to nothing are not', async () => {
  await put('data/a.csv', 'data/sub/b.csv', 'elsewhere/c.csv')
  await symlink('a.csv', 'data/link.csv')
  await symlink('../elsewhere/c.csv', 'data/out.csv')
  await symlink('..', 'data/sub/up')
  await symlink('loop', 'data/loop')
  await symlink('nothing', 'data/broken')
  expect(await seen(['data'])).toEqual([
    'data/a.csv',
    'refused data/broken: it is a symbolic link that leads to nothing',
    'data/link.csv',
    'refused data/loop: it is a symbolic link that leads back to itself',
    'data/out.csv',
    'data/sub/b.csv',
    'skipped data/sub/up: it is a link to a folder that is sent under its own name',
  ])
})

test('a link to a folder outside is passed over, and with it what nobody has named', async () => {
  await put('data/a.csv', 'far/secret')
  await symlink('../far', 'data/far')
  expect(await seen(['data'])).toEqual([
    'data/a.csv',
    'skipped data/far: it is a link to a folder outside; push that folder itself, or add --follow',
  ])
})

test('followed, a folder beyond a link is entered once, whichever way leads there', async () => {
  await put('data/a.csv', 'far/b.csv', 'far/deep/c.csv')
  await symlink('../far', 'data/one')
  await symlink('../far', 'data/two')
  await symlink('../far/deep', 'data/zdeep')
  await symlink('../../far', 'far/deep/back')
  await symlink('../../data', 'far/deep/home')
  expect(await seen(['data'], [], [], true)).toEqual([
    'data/a.csv',
    'data/one/b.csv',
    'skipped data/one/deep/back: it leads to a folder that was entered by another link already',
    'data/one/deep/c.csv',
    'skipped data/one/deep/home: it is a link to a folder that is sent under its own name',
    'skipped data/two: it leads to a folder that was entered by another link already',
    'skipped data/zdeep: it leads to a folder that was entered by another link already',
  ])
})

test('a link that is named itself is followed', async () => {
  await put('data/a.csv')
  await symlink('data', 'link')
  expect(await seen(['link'])).toEqual(['link/a.csv'])
})

test('FIFOs, sockets and devices are passed over by a folder, and refused by name', async () => {
  await put('data/a.csv')
  execFileSync('mkfifo', ['data/fifo'])
  const server = net.createServer().listen('data/socket')
  await new Promise((resolve) => server.once('listening', resolve))
  await symlink('/dev/null', 'data/null')
  expect(await seen(['data'])).toEqual([
    'data/a.csv',
    'skipped data/fifo: it is a named pipe (FIFO), not a file',
    'skipped data/null: it is a device, not a file',
    'skipped data/socket: it is a socket, not a file',
  ])
  expect(await seen(['data/fifo', 'nowhere'])).toEqual([
    'refused data/fifo: it is a named pipe (FIFO), not a file',
    'refused nowhere: it is not there (any more)',
  ])
  server.close()
})

test('names that the server would refuse are told, and the rest goes on', async () => {
  await put('data/a.csv', 'data/back\\slash', 'data/new\nline', 'data/ /in-blank.csv')
  await writeFile(Buffer.from('data/bad\xff.csv', 'latin1'), 'x')
  await mkdir(Buffer.from('data/dir\xe9', 'latin1'))
  expect(await seen(['data'])).toEqual([
    'refused data/ : its name is only dots or spaces; rename it (nothing in this folder was sent)',
    'data/a.csv',
    'refused data/back\\slash: its name has a backslash; rename it',
    'refused data/bad\\xff.csv: its name is not valid UTF-8; rename it',
    'refused data/dir\\xe9: its name is not valid UTF-8; rename it',
    'refused data/new\nline: its name has a control character or a line break; rename it',
  ])
})

test('names are sent in NFC, and a second one that is the same there is refused', async () => {
  await put('data/e\u0301.csv', 'data/\u00e9.csv', 'data/u\u0308.csv')
  expect(await seen(['data'])).toEqual([
    'data/\u00e9.csv',
    'data/\u00fc.csv',
    'refused data/\u00e9.csv: its name differs from that of another file only in how accents are encoded; rename one',
  ])
})

test('five thousand files in one folder and two hundred folders deep come whole', async () => {
  await mkdir('data/many', { recursive: true })
  await Promise.all(Array.from({ length: 5000 }, (_, at) => writeFile(`data/many/${at}`, '')))
  let deep = 'data/deep'
  for (let at = 0; at < 200; at += 1) deep += '/d'
  await mkdir(deep, { recursive: true })
  await writeFile(`${deep}/last`, '')
  const all = await seen(['data'])
  expect(all).toHaveLength(5001)
  expect(new Set(all).size).toBe(5001)
  expect(all).toContain(`${deep}/last`)
})
