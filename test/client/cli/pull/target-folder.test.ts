import { lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { TargetFolder } from '../../../../client/cli/pull/target-folder.js'

let folder: string
let target: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-target-'))
  target = path.join(folder, 'target')
})

afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the target folder', () => {
  test('makes the folders of a path, and nothing else', async () => {
    const place = await TargetFolder.open(target)
    expect(await place.place('a/b/c.csv')).toBe(path.join(target, 'a/b/c.csv'))
    expect(await readdir(target, { recursive: true })).toEqual(['a', 'a/b'])
  })

  test('may be a link itself', async () => {
    await mkdir(path.join(folder, 'real'))
    await symlink('real', target)
    const place = await TargetFolder.open(target)
    expect(await place.place('a/b.csv')).toBe(path.join(target, 'a/b.csv'))
  })

  test('takes a link within that stays inside', async () => {
    await mkdir(path.join(target, 'real'), { recursive: true })
    await symlink('real', path.join(target, 'link'))
    const place = await TargetFolder.open(target)
    expect(await place.place('link/b.csv')).toBe(path.join(target, 'link/b.csv'))
  })

  test.each([
    ['leads out', '..'],
    ['leads out with the same beginning of its name', '../target-2'],
    ['leads to nothing', 'nowhere'],
  ])('refuses a folder that is a link that %s', async (_how, to) => {
    await mkdir(path.join(folder, 'target-2'))
    await mkdir(target)
    await symlink(to, path.join(target, 'link'))
    const place = await TargetFolder.open(target)
    await expect(place.place('link/new/b.csv')).rejects.toThrow('symbolic link')
    expect(await readdir(path.join(folder, 'target-2'))).toEqual([])
  })

  test.each(['a.csv', 'a.csv.part'])('refuses to write over the link %s', async (name) => {
    await mkdir(target)
    await symlink('/etc/passwd', path.join(target, name))
    const place = await TargetFolder.open(target)
    await expect(place.place('a.csv')).rejects.toThrow('is a symbolic link')
    expect((await lstat(path.join(target, name))).isSymbolicLink()).toBe(true)
  })

  test('refuses a folder where a file is', async () => {
    await mkdir(target)
    await writeFile(path.join(target, 'a'), '')
    const place = await TargetFolder.open(target)
    await expect(place.place('a/b')).rejects.toThrow('is not a folder')
  })

  test('gives a path once, and the path of a part to nobody else', async () => {
    const place = await TargetFolder.open(target)
    await place.place('a.csv')
    await expect(place.place('a.csv')).rejects.toThrow('another file takes the path')
    await expect(place.place('a.csv.part')).rejects.toThrow('another file takes the path')
    await place.place('b.csv.part')
    await expect(place.place('b.csv')).rejects.toThrow('another file takes the path')
  })

  test('asks the disk whether names that differ in case are two, and leaves nothing of the question', async () => {
    const place = await TargetFolder.open(target)
    await place.place('a.csv')
    await place.place('A.CSV')
    await place.place('\u00e9.csv')
    await place.place('e\u0301.csv')
    expect(await readdir(target)).toEqual([])
  })
})
