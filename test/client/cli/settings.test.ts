import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { changeConfig, parseConfig, readConfig } from '../../../client/cli/config-file.js'
import { CommandFailed } from '../../../client/cli/exit-code.js'
import { userFolders } from '../../../client/cli/folders.js'
import {
  checkedUrl,
  colorChoice,
  type Environment,
  type GlobalFlags,
  readEnvironment,
  readSettings,
} from '../../../client/cli/settings.js'

let home: string
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'antipasto-settings-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const environment = (over: Partial<Environment> = {}): Environment => ({
  ...readEnvironment({ HOME: home }),
  platform: 'linux',
  ...over,
})

const settings = (flags: GlobalFlags = {}, over: Partial<Environment> = {}) =>
  readSettings(flags, environment(over))

async function writeConfig(config: unknown): Promise<string> {
  const folder = path.join(home, '.config', 'antipasto')
  await mkdir(folder, { recursive: true })
  const file = path.join(folder, 'config.json')
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config))
  return file
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof CommandFailed ? [error.exitCode, error.message] : error),
  )

describe('which server, with which credential', () => {
  const config = {
    url: 'https://file.example',
    servers: { 'https://file.example': { token: 'of-file' }, 'https://env.example': { token: 'of-env' } },
  }

  test('nothing is given: no URL, no token', async () => {
    expect(await settings()).toMatchObject({ url: null, token: null, tokenSource: null })
  })

  test('flags go before the environment, and that before the file', async () => {
    await writeConfig(config)
    const env = { url: 'https://env.example/', token: 'env-token' }
    expect(await settings()).toMatchObject({
      url: 'https://file.example',
      token: 'of-file',
      tokenSource: 'config file',
    })
    expect(await settings({}, { url: env.url })).toMatchObject({
      url: 'https://env.example',
      token: 'of-env',
    })
    expect(await settings({}, env)).toMatchObject({
      url: 'https://env.example',
      token: 'env-token',
      tokenSource: 'environment',
    })
    expect(await settings({ url: 'https://flag.example', token: 'flag-token' }, env)).toMatchObject({
      url: 'https://flag.example',
      token: 'flag-token',
      tokenSource: 'flag',
    })
  })

  test('a token file is read, without the line end', async () => {
    const tokenFile = path.join(home, 'token')
    await writeFile(tokenFile, 'from-file\n')
    expect(await settings({}, { tokenFile })).toMatchObject({ token: 'from-file', tokenSource: 'token file' })
    expect(await refusal(settings({}, { tokenFile: `${tokenFile}.none` }))).toEqual([
      2,
      `The file ${tokenFile}.none (ANTIPASTO_TOKEN_FILE) can't be read (ENOENT).`,
    ])
  })

  test('the credential of one server does not go to a tus endpoint elsewhere', async () => {
    await writeConfig(config)
    const endpoint = 'https://tusd.example/files'
    expect(await settings({ endpoint })).toMatchObject({ url: 'https://tusd.example', token: null })
    expect(await settings({ endpoint }, { token: 'env-token' })).toMatchObject({ token: null })
    expect(await settings({ endpoint, token: 'meant' })).toMatchObject({ token: 'meant' })
    expect(await settings({ endpoint: 'https://file.example/uploads' })).toMatchObject({
      url: 'https://file.example',
      token: 'of-file',
    })
    // Beginning alike is not being there.
    expect(await settings({ endpoint: 'https://file.example.evil/uploads' })).toMatchObject({ token: null })
  })

  test.each([
    'ftp://x.example',
    'staging.example.org',
    '',
    'https://x.example/?a=1',
    'https://me:secret@x.example',
  ])('the URL %j is refused, and no password is repeated', async (url) => {
    const [exitCode, message] = (await refusal(settings({ url }))) as [number, string]
    expect(exitCode).toBe(2)
    expect(message).toContain('--url')
    expect(message).not.toContain('secret')
  })

  test('a path stays, slashes at the end go', () => {
    expect(checkedUrl(' https://X.example/staging// ', '--url')).toBe('https://x.example/staging')
  })

  test.each(['', 'two words', 'line\nline', '“quoted”'])(
    'the token %j is refused, unrepeated',
    async (token) => {
      const [exitCode, message] = (await refusal(settings({ token }))) as [number, string]
      expect(exitCode).toBe(2)
      if (token !== '') expect(message).not.toContain(token)
    },
  )
})

describe('the config file', () => {
  test.each([
    '{',
    '[]',
    '"x"',
    '{"url": 3}',
    '{"servers": []}',
    '{"servers": {"a": "key"}}',
    '{"servers": {"a": {"token": 3}}}',
  ])('%s is damaged', async (text) => {
    expect(parseConfig(text)).toBeNull()
    const file = await writeConfig(text)
    expect(await refusal(settings())).toEqual([2, `The config file ${file} is damaged.`])
  })

  test('is written for its owner alone, keeping what it does not know', async () => {
    const file = path.join(home, 'new', 'antipasto', 'config.json')
    await changeConfig(file, (config) => ({
      ...config,
      url: 'https://a.example',
      servers: { b: { token: 't' } },
    }))
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700)
    await writeFile(file, JSON.stringify({ ...(await readConfig(file)), later: { things: 1 } }))
    await changeConfig(file, (config) => ({ ...config, url: 'https://c.example' }))
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      url: 'https://c.example',
      servers: { b: { token: 't' } },
      later: { things: 1 },
    })
  })
})

describe('folders', () => {
  test.each<[string, Partial<Environment>, string, string]>([
    ['Linux', {}, '/h/.config/antipasto', '/h/.local/state/antipasto'],
    ['XDG', { xdgConfigHome: '/c', xdgStateHome: '/s' }, '/c/antipasto', '/s/antipasto'],
    ['a relative XDG path', { xdgConfigHome: 'c' }, '/h/.config/antipasto', '/h/.local/state/antipasto'],
    ['a folder of one’s own', { stateDir: '/elsewhere' }, '/h/.config/antipasto', '/elsewhere'],
    [
      'macOS',
      { platform: 'darwin' },
      '/h/Library/Application Support/antipasto',
      '/h/Library/Application Support/antipasto/state',
    ],
    [
      'Windows',
      { platform: 'win32', appData: '/roaming', localAppData: '/local' },
      '/roaming/antipasto',
      '/local/antipasto',
    ],
  ])('%s', (_, over, config, state) => {
    expect(userFolders(environment({ home: '/h', ...over }))).toEqual({ config, state })
  })
})

describe('the environment', () => {
  test('an empty variable is none', () => {
    const { url, token, home: folder } = readEnvironment({ ANTIPASTO_URL: '', ANTIPASTO_TOKEN: '', HOME: '' })
    expect([url, token]).toEqual([undefined, undefined])
    expect(path.isAbsolute(folder)).toBe(true)
  })

  test.each<[NodeJS.ProcessEnv, GlobalFlags, boolean | null]>([
    [{}, {}, null],
    [{ NO_COLOR: '1' }, {}, false],
    [{ NO_COLOR: '' }, {}, null],
    [{ TERM: 'dumb' }, {}, false],
    [{ FORCE_COLOR: '1', NO_COLOR: '1' }, {}, true],
    [{ FORCE_COLOR: '1' }, { color: false }, false],
  ])('colours with %j and %j: %p', (variables, flags, choice) => {
    expect(colorChoice(flags, readEnvironment(variables))).toBe(choice)
  })
})
