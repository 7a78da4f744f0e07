import { hash } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { configuredKey, findConfigured } from '../../server/auth/configured-keys.js'
import { parseKeyFile, readKeyFiles } from '../../server/auth/key-files.js'

const KEY = 'k-0123456789abcdef'
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-keys-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function write(name: string, text: string): Promise<void> {
  return writeFile(path.join(folder, name), text)
}

describe('parseKeyFile', () => {
  test('Comments, empty lines, CR LF and tabs', () => {
    const text = `# staff\r\n\r\nupload+read \t ${KEY}\r\n  admin   other-${KEY}  \n#read x`
    expect(parseKeyFile(text)).toEqual({
      lines: [
        { number: 3, key: KEY, scopes: ['upload', 'read'] },
        { number: 4, key: `other-${KEY}`, scopes: ['admin'] },
      ],
    })
  })

  test.each([
    ['upload', /upload\+read\+delete KEY/],
    [KEY, /upload\+read\+delete KEY/],
    [`write ${KEY}`, /upload\+read\+delete KEY/],
    [`upload, read ${KEY}`, /upload\+read\+delete KEY/],
    [`upload+ ${KEY}`, /upload\+read\+delete KEY/],
    [`upload ${KEY} # mine`, /upload\+read\+delete KEY/],
    ['upload 0123456789abcde', /16/],
    [`upload ${KEY}ä`, /printable/],
    [`upload ${KEY}\u0007`, /printable/],
  ])('%j is told with its line, without the key', (line, fault) => {
    const read = parseKeyFile(`# one\n${line}\n`)
    expect(read).toEqual({ number: 2, fault: expect.stringMatching(fault) })
    expect(JSON.stringify(read)).not.toContain(KEY)
  })
})

describe('readKeyFiles', () => {
  test('as Kubernetes mounts them: links into a hidden folder', async () => {
    await mkdir(path.join(folder, '..2026_01_01'))
    await write('..2026_01_01/lter-ntl', `upload+read ${KEY}-one\nread ${KEY}-two\n`)
    await symlink('..2026_01_01', path.join(folder, '..data'))
    await symlink('..data/lter-ntl', path.join(folder, 'lter-ntl'))
    await mkdir(path.join(folder, 'lost+found'))
    await write('.swp', 'not a key file')
    await write('empty', '')
    const keys = await readKeyFiles(folder)
    const identify = (key: string) => findConfigured(keys, hash('sha256', key, 'buffer'))
    expect(identify(`${KEY}-one`)).toEqual({ owner: 'lter-ntl', scopes: new Set(['upload', 'read']) })
    expect(identify(`${KEY}-two`)).toEqual({ owner: 'lter-ntl', scopes: new Set(['read']) })
    expect(identify(KEY)).toBeUndefined()
    expect(keys).toHaveLength(2)
  })

  test('A folder that is not there stops the start', async () => {
    await expect(readKeyFiles(path.join(folder, 'gone'))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      detail: expect.stringMatching(/^API_KEYS_DIR.*gone.*ENOENT/),
    })
  })

  test.each<[string, () => Promise<void>, RegExp]>([
    ['a wrong line', () => write('ada', `upload ${KEY}\nread\n`), /ada.*line 2/],
    ['a wrong name', () => write('two words', `upload ${KEY}`), /two words.*owner/],
    ['a link that leads nowhere', () => symlink('gone', path.join(folder, 'ada')), /ada.*ENOENT/],
    ['two megabytes', () => write('ada', '#'.repeat(2 * 1024 ** 2)), /1 MiB/],
    ['a key twice in a file', () => write('ada', `upload ${KEY}\nread ${KEY}`), /ada.*line 2.*one owner/],
  ])('%s stops the start, and names it', async (_what, prepare, detail) => {
    await prepare()
    const refused = await readKeyFiles(folder).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'INVALID_INPUT', detail: expect.stringMatching(detail) })
    expect(String(refused)).not.toContain(KEY)
  })

  test('A key of two owners, or of the settings, stops the start', async () => {
    await write('ada', `upload ${KEY}`)
    const taken = configuredKey(KEY, { owner: 'default', scopes: new Set() })
    await expect(readKeyFiles(folder, [taken])).rejects.toMatchObject({
      detail: expect.stringMatching(/ada.*line 1/),
    })
    await write('bob', `# hers\nread ${KEY}`)
    await expect(readKeyFiles(folder)).rejects.toMatchObject({ detail: expect.stringMatching(/bob.*line 2/) })
  })
})
