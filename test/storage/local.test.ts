import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { FolderSync } from '../../server/storage/folder-sync.js'
import { LocalStore } from '../../server/storage/local.js'
import { EMPTY_LEDGER } from '../../server/storage/store.js'
import { storeContract } from './store-contract.js'

storeContract('LocalStore', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-store-'))
  return { store: new LocalStore(folder), dispose: () => rm(folder, { recursive: true, force: true }) }
})

const BEGINNING = { offsetBytes: 0, sizeBytes: null, ledger: EMPTY_LEDGER }

/** What every open file of node:fs/promises inherits from. */
async function fileHandles(): Promise<FileHandle> {
  const file = await open('/dev/null')
  await file.close()
  return Object.getPrototypeOf(file)
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-local-'))
})
afterEach(async () => {
  jest.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

describe('LocalStore on its disk', () => {
  let store: LocalStore
  const key = '0123456789abcdef'
  const inRoom = (room: string) => path.join(folder, 'store', room)

  beforeEach(async () => {
    store = new LocalStore(path.join(folder, 'store'))
    await store.open()
  })

  test('keeps what is unfinished and what is whole in folders of their own, closed to others', async () => {
    await store.createTemporary(key)
    await store.putObject('ff00ff00', Buffer.from('x'))
    expect([await readdir(inRoom('tmp')), await readdir(inRoom('objects'))]).toEqual([[key], ['ff00ff00']])
    for (const room of ['tmp', 'objects']) expect((await stat(inRoom(room))).mode & 0o007).toBe(0)
  })

  test('an object gets its name by a rename: a reader sees all of it or nothing', async () => {
    await store.createTemporary(key)
    const writer = await store.openTemporary(key, BEGINNING)
    await writer.write(Buffer.from('whole'))
    await writer.close()
    const before = await stat(path.join(inRoom('tmp'), key))
    await store.complete(key, 5)
    expect((await stat(path.join(inRoom('objects'), key))).ino).toBe(before.ino)
  })

  test('sync waits for the disk, and so does putObject', async () => {
    const handles = await fileHandles()
    const datasync = jest.spyOn(handles, 'datasync')
    const sync = jest.spyOn(handles, 'sync')
    await store.createTemporary(key)
    // The folder, for the new name.
    expect(sync).toHaveBeenCalledTimes(1)
    const writer = await store.openTemporary(key, BEGINNING)
    await writer.write(Buffer.from('x'))
    expect(datasync).not.toHaveBeenCalled()
    await writer.sync()
    expect(datasync).toHaveBeenCalledTimes(1)
    await writer.close()
    await store.putObject('ff00ff00', Buffer.from('x'))
    // The file, and the folder with its new name.
    expect(sync).toHaveBeenCalledTimes(3)
    await store.complete(key, 1)
    // Both folders.
    expect(sync).toHaveBeenCalledTimes(5)
  })

  test('a full disk is INSUFFICIENT_STORAGE', async () => {
    await rm(path.join(inRoom('tmp'), key), { force: true })
    // A device that is always full.
    await symlink('/dev/full', path.join(inRoom('tmp'), key))
    const writer = await store.openTemporary(key, BEGINNING)
    await expect(writer.write(Buffer.from('x'))).rejects.toMatchObject({
      name: 'AppError',
      code: 'INSUFFICIENT_STORAGE',
    })
    await writer.close()
  })

  test('a short write goes on until all is written', async () => {
    const handles = await fileHandles()
    const { write } = handles
    jest.spyOn(handles, 'write').mockImplementation(async function (this: FileHandle, ...given: unknown[]) {
      const [bytes, offset, , position] = given as [Uint8Array, number, number, number]
      return Reflect.apply(write, this, [bytes, offset, 1, position])
    } as typeof write)
    await store.createTemporary(key)
    const writer = await store.openTemporary(key, BEGINNING)
    await writer.write(Buffer.from('byte by byte'))
    await writer.close()
    await store.complete(key, 12)
    expect(String((await store.readObjectHead(key, 100)).head)).toBe('byte by byte')
  })

  describe('composing', () => {
    const [one, two] = ['aaaa0001', 'aaaa0002']
    const sources = [
      { key: one, sizeBytes: 3 },
      { key: two, sizeBytes: 3 },
    ]
    beforeEach(async () => {
      await store.putObject(one, Buffer.from('abc'))
      await store.putObject(two, Buffer.from('def'))
    })
    const text = async () => String((await store.readObjectHead(key, 100)).head)

    test('waits for the disk: the file, and both folders', async () => {
      const sync = jest.spyOn(await fileHandles(), 'sync')
      await store.compose(key, sources)
      expect(sync).toHaveBeenCalledTimes(3)
      expect((await stat(path.join(inRoom('objects'), key))).mode & 0o007).toBe(0)
    })

    test('a full disk is INSUFFICIENT_STORAGE, and leaves nothing behind', async () => {
      const handles = await fileHandles()
      const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      const write = jest.spyOn(handles, 'write').mockRejectedValue(full)
      await expect(store.compose(key, sources)).rejects.toMatchObject({
        name: 'AppError',
        code: 'INSUFFICIENT_STORAGE',
      })
      write.mockRestore()
      expect([await readdir(inRoom('tmp')), await readdir(inRoom('objects'))]).toEqual([[], [one, two]])
      await store.compose(key, sources)
      expect(await text()).toBe('abcdef')
    })

    test('what a crash left of it is written over, however long it is', async () => {
      await writeFile(path.join(inRoom('tmp'), key), 'left behind by somebody else')
      await store.compose(key, sources)
      expect(await text()).toBe('abcdef')
      expect(await readdir(inRoom('tmp'))).toEqual([])
    })

    test('a source that is cut while it is read is CONFLICT, never a shorter object', async () => {
      const handles = await fileHandles()
      const { read } = handles
      jest.spyOn(handles, 'read').mockImplementation(async function (this: FileHandle, ...given: unknown[]) {
        await truncate(path.join(inRoom('objects'), two), 1)
        return Reflect.apply(read, this, given)
      } as typeof read)
      await expect(store.compose(key, sources)).rejects.toMatchObject({ code: 'CONFLICT' })
      jest.restoreAllMocks()
      expect(await readdir(inRoom('tmp'))).toEqual([])
    })

    test('short writes go on until all is written', async () => {
      const handles = await fileHandles()
      const { write } = handles
      jest.spyOn(handles, 'write').mockImplementation(async function (this: FileHandle, ...given: unknown[]) {
        const [bytes, offset, , position] = given as [Uint8Array, number, number, number]
        return Reflect.apply(write, this, [bytes, offset, 1, position])
      } as typeof write)
      await store.compose(key, sources)
      jest.restoreAllMocks()
      expect(await text()).toBe('abcdef')
    })
  })

  test('a folder that is away is UNAVAILABLE, and its return is noticed', async () => {
    await rename(inRoom('objects'), path.join(folder, 'away'))
    await expect(store.check()).rejects.toMatchObject({
      name: 'AppError',
      code: 'UNAVAILABLE',
      retryAfterSeconds: 60,
    })
    await rename(path.join(folder, 'away'), inRoom('objects'))
    await store.check()
  })

  test('a folder that can not be made fails the opening with the reason', async () => {
    await writeFile(path.join(folder, 'file'), '')
    await expect(new LocalStore(path.join(folder, 'file')).open()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
  })

  test('what is not ours is not listed, so that no sweep deletes it', async () => {
    await mkdir(path.join(inRoom('tmp'), 'lost+found'))
    await mkdir(path.join(inRoom('objects'), key))
    await writeFile(path.join(inRoom('tmp'), 'README.txt'), 'hands off')
    const names: string[] = []
    for await (const item of store.list()) names.push(item.key)
    expect(names).toEqual([])
  })
})

describe('FolderSync', () => {
  test('a sync that comes while one runs waits for the next one, and many share it', async () => {
    const handles = await fileHandles()
    const finish: (() => void)[] = []
    const sync = jest
      .spyOn(handles, 'sync')
      .mockImplementation(() => new Promise<void>((resolve) => finish.push(resolve)))
    const folderSync = new FolderSync(folder)
    const done: string[] = []
    const first = folderSync.sync().then(() => done.push('first'))
    while (finish.length < 1) await new Promise(setImmediate)
    const others = Array.from({ length: 30 }, () => folderSync.sync().then(() => done.push('other')))
    finish[0]?.()
    await first
    while (finish.length < 2) await new Promise(setImmediate)
    expect(done).toEqual(['first'])
    finish[1]?.()
    await Promise.all(others)
    expect(done).toHaveLength(31)
    expect(sync).toHaveBeenCalledTimes(2)
    const later = folderSync.sync()
    while (finish.length < 3) await new Promise(setImmediate)
    finish[2]?.()
    await later
    expect(sync).toHaveBeenCalledTimes(3)
  })

  test('a sync that failed fails those who waited for it, and the next one tries again', async () => {
    const handles = await fileHandles()
    const sync = jest.spyOn(handles, 'sync').mockRejectedValueOnce(new Error('the disk is broken'))
    const folderSync = new FolderSync(folder)
    await expect(folderSync.sync()).rejects.toThrow('the disk is broken')
    await folderSync.sync()
    expect(sync).toHaveBeenCalledTimes(2)
  })
})
