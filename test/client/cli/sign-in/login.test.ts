import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { hostname } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../../client/api/antipasto.js'
import type { ApiKey } from '../../../../client/api/types.js'
import { ediId, type Iam, startIam } from '../../../support/iam.js'
import { startServer, type TestServer } from '../../../support/server.js'
import { jsonLines, makeHome, type RunningCli, runCli, runInTerminal, startCli } from '../run.js'

const ADA = ediId('ada')

let iam: Iam
let server: TestServer
let home: string

beforeAll(async () => {
  iam = await startIam()
  server = await startServer({ env: iam.env })
  iam.signsIn({ sub: ADA })
})

afterAll(async () => {
  await server.dispose()
  await iam.close()
})

beforeEach(async () => {
  home = await makeHome()
})

afterEach(() => rm(home, { recursive: true, force: true }))

const env = () => ({ ANTIPASTO_URL: server.url })
const configPath = () => path.join(home, '.config', 'antipasto', 'config.json')

interface ConfigFile {
  url: string
  servers: Record<string, { token: string; key_id?: string }>
}

const readConfig = async () => JSON.parse(await readFile(configPath(), 'utf8')) as ConfigFile

async function keysOf(token: string): Promise<ApiKey[]> {
  const keys: ApiKey[] = []
  for await (const key of new Antipasto({ url: server.url, token }).keys.list()) keys.push(key)
  return keys
}

/** The URL that it wants to be opened. */
async function iamUrlOf(running: RunningCli): Promise<URL> {
  for (;;) {
    const [url] = /http:\/\/\S*\/auth\/login\/\S*/.exec(running.stderr()) ?? []
    if (url !== undefined) return new URL(url)
    if (running.child.exitCode !== null) throw new Error(running.stderr())
    await sleep(10)
  }
}

const loginByBrowser = (...args: string[]) =>
  startCli(['login', '--provider', 'github', '--no-browser', ...args], { env: env(), home })

describe('login in the browser', () => {
  test('makes a key of 30 days, keeps it for its owner only, and every command has it', async () => {
    const running = loginByBrowser('--json')
    const url = await iamUrlOf(running)
    const target = new URL(url.searchParams.get('target') ?? '')
    expect(url.origin).toBe(iam.url)
    expect(target.hostname).toBe('127.0.0.1')
    expect(target.pathname.length).toBeGreaterThan(40)

    // The scripted browser: follows from the IAM to this computer, to the page at the end.
    const page = await fetch(url)
    expect(page.status).toBe(200)
    expect(page.url).not.toContain('edi_token')
    expect(await page.text()).toContain('You can close this window')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('cache-control')).toBe('no-store')

    const { exitCode, stdout } = await running.ended
    expect(exitCode).toBe(0)
    const [told] = jsonLines(stdout) as [{ owner: string; key_id: string; expires_at: string }]
    expect(told.owner).toBe(ADA)
    const days = (new Date(told.expires_at).getTime() - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(29.9)
    expect(days).toBeLessThan(30.1)

    const config = await readConfig()
    const entry = config.servers[server.url]
    expect(config.url).toBe(server.url)
    expect(entry?.key_id).toBe(told.key_id)
    expect((await stat(configPath())).mode & 0o777).toBe(0o600)
    expect((await stat(path.dirname(configPath()))).mode & 0o777).toBe(0o700)
    expect(stdout + running.stderr()).not.toContain(entry?.token)

    const [key] = await keysOf(entry?.token ?? '')
    expect(key).toMatchObject({ id: told.key_id, name: `cli ${hostname()}`, owner: ADA, state: 'active' })
    const who = await runCli(['whoami', '--json'], { home })
    expect(jsonLines(who.stdout)).toMatchObject([{ owner: ADA }])
  })

  test('answers nobody else, and nobody twice', async () => {
    const running = loginByBrowser()
    const target = new URL((await iamUrlOf(running)).searchParams.get('target') ?? '')
    const token = iam.issue({ sub: ediId('mallory') })
    expect((await fetch(`${target.origin}/?edi_token=${token}`)).status).toBe(404)
    expect((await fetch(`${target.origin}/favicon.ico`)).status).toBe(404)
    expect(await statusFor(target, { host: 'evil.example' }, token)).toBe(404)
    expect(await statusFor(target, { method: 'POST' }, token)).toBe(404)
    expect(running.child.exitCode).toBeNull()

    const first = new URL(target)
    first.searchParams.set('edi_token', iam.issue({ sub: ADA }))
    const visit = await fetch(first, { redirect: 'manual' })
    expect(visit.status).toBe(303)
    expect(await statusFor(target, {}, token)).toBe(404)
    const { exitCode, stdout } = await running.ended
    expect(exitCode).toBe(0)
    expect(stdout).toContain(`as ${ADA} until `)
  })

  test('keeps the token itself with --keep 0', async () => {
    const running = loginByBrowser('--keep', '0')
    await fetch(await iamUrlOf(running))
    expect((await running.ended).exitCode).toBe(0)
    const entry = (await readConfig()).servers[server.url]
    expect(entry?.token.split('.')).toHaveLength(3)
    expect(entry?.key_id).toBeUndefined()
  })

  test('revokes the key of the sign-in before', async () => {
    const ids: (string | undefined)[] = []
    for (let time = 0; time < 2; time += 1) {
      const running = loginByBrowser('--keep', '1h')
      await fetch(await iamUrlOf(running))
      expect((await running.ended).exitCode).toBe(0)
      ids.push((await readConfig()).servers[server.url]?.key_id)
    }
    const token = (await readConfig()).servers[server.url]?.token ?? ''
    const states = Object.fromEntries((await keysOf(token)).map(({ id, state }) => [id, state]))
    expect(states[ids[0] ?? '']).toBe('revoked')
    expect(states[ids[1] ?? '']).toBe('active')
  })

  test('tells when no token came back, or one that the server does not take', async () => {
    const without = loginByBrowser()
    const target = (await iamUrlOf(without)).searchParams.get('target') ?? ''
    const page = await fetch(`${target}?error=denied`)
    expect(await page.text()).toContain('did not succeed')
    const ended = await without.ended
    expect(ended.exitCode).toBe(1)
    expect(ended.stderr).toContain('came back without a token')

    const forged = loginByBrowser()
    const forgedTarget = (await iamUrlOf(forged)).searchParams.get('target') ?? ''
    await fetch(`${forgedTarget}?edi_token=${iam.issue({ claims: { iss: 'https://other.example' } })}`)
    expect((await forged.ended).exitCode).toBe(4)
    await expect(readFile(configPath())).rejects.toThrow('ENOENT')
  })

  test('is ended by ctrl-C', async () => {
    const running = loginByBrowser()
    await iamUrlOf(running)
    running.kill('SIGINT')
    expect(await running.ended).toMatchObject({ exitCode: 130, stdout: '' })
  })

  test('says how to come back where there is no browser', async () => {
    const running = startCli(['login', '--provider', 'orcid'], {
      env: { ...env(), SSH_CONNECTION: '1 2 3 4' },
      home,
    })
    const { port } = new URL((await iamUrlOf(running)).searchParams.get('target') ?? '')
    while (!running.stderr().includes('ssh -L')) await sleep(10)
    expect(running.stderr()).toContain(`ssh -L ${port}:127.0.0.1:${port}`)
    running.kill('SIGTERM')
    await running.ended
  })
})

describe('login with a key', () => {
  test('from stdin keeps it as it is', async () => {
    const { exitCode, stdout } = await runCli(['login', '--key-stdin'], {
      env: env(),
      home,
      input: `  ${server.key}\n`,
    })
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^Signed in to http:\/\/127\.0\.0\.1:\d+ as \S+\.\n$/)
    expect((await readConfig()).servers).toEqual({ [server.url]: { token: server.key } })
  })

  test('that is typed on a terminal is not shown', async () => {
    const keysOnly = await startServer()
    try {
      const { exitCode, screen } = await runInTerminal(['login'], {
        env: { ANTIPASTO_URL: keysOnly.url },
        home,
        typed: `${keysOnly.key}\n`,
      })
      expect(exitCode).toBe(0)
      // The terminal itself echoes what is typed before anybody reads; what the program writes after has none of it.
      expect(screen.split('API key (not shown)').at(1)).not.toContain(keysOnly.key)
      expect((await readConfig()).servers[keysOnly.url]?.token).toBe(keysOnly.key)
    } finally {
      await keysOnly.dispose()
    }
  })

  test('that is wrong, empty, or no key at all keeps nothing', async () => {
    const login = (input: string) => runCli(['login', '--key-stdin'], { env: env(), home, input })
    expect(await login('wrong-key\n')).toMatchObject({ exitCode: 4 })
    expect(await login('\n')).toMatchObject({ exitCode: 2 })
    expect(await login('two words\n')).toMatchObject({ exitCode: 2 })
    await expect(readFile(configPath())).rejects.toThrow('ENOENT')
  })

  test('keeps other servers, and what it does not know, and closes what was open to others', async () => {
    const other = { 'https://other.example': { token: 'theirs', note: 'kept' } }
    await mkdir(path.dirname(configPath()), { recursive: true })
    await writeFile(configPath(), JSON.stringify({ future: 1, servers: other }))
    await chmod(configPath(), 0o644)
    expect((await runCli(['login', '--key', server.key], { env: env(), home })).exitCode).toBe(0)
    expect(await readConfig()).toEqual({
      future: 1,
      url: server.url,
      servers: { ...other, [server.url]: { token: server.key } },
    })
    expect((await stat(configPath())).mode & 0o777).toBe(0o600)
  })
})

describe('usage', () => {
  test.each([
    [['login', '--provider', 'nobody'], /Nobody signs in by nobody/],
    [['login'], /no terminal/],
    [['login', '--keep', 'long'], /12h, 30d/],
  ])('%j is told with exit code 2', async (args, words) => {
    const { exitCode, stderr } = await runCli(args, { env: env(), home })
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(words)
  })

  test('without a server says how to name one', async () => {
    const { exitCode, stderr } = await runCli(['login'], { home })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('ANTIPASTO_URL')
  })

  test('says that a variable goes before the sign-in', async () => {
    const { stderr } = await runCli(['login', '--key', server.key], { server, home })
    expect(stderr).toContain('ANTIPASTO_TOKEN')
  })
})

describe('logout', () => {
  test('revokes the key that login made, and forgets it', async () => {
    const running = loginByBrowser()
    await fetch(await iamUrlOf(running))
    await running.ended
    const { token = '', key_id } = (await readConfig()).servers[server.url] ?? {}
    expect(await runCli(['logout'], { home })).toMatchObject({
      exitCode: 0,
      stdout: `Signed out of ${server.url}, and the key was revoked.\n`,
    })
    expect(await readConfig()).toEqual({ url: server.url, servers: {} })
    await expect(new Antipasto({ url: server.url, token }).me()).rejects.toThrow()
    const states = (await keysOf(iam.issue({ sub: ADA }))).filter(({ id }) => id === key_id)
    expect(states).toMatchObject([{ state: 'revoked' }])
    expect(await runCli(['logout'], { home })).toMatchObject({
      exitCode: 0,
      stdout: `You were not signed in to ${server.url}.\n`,
    })
  })

  test('forgets a key that one was given, and leaves it as it is', async () => {
    await runCli(['login', '--key', server.key], { env: env(), home })
    const { stdout } = await runCli(['logout', '--json'], { home })
    expect(jsonLines(stdout)).toEqual([{ url: server.url, forgotten: true, revoked: false }])
    expect(await new Antipasto({ url: server.url, token: server.key }).me()).toBeDefined()
  })
})

function statusFor(target: URL, options: { host?: string; method?: string }, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { host, method = 'GET' } = options
    http
      .request(
        {
          host: '127.0.0.1',
          port: target.port,
          path: `${target.pathname}?edi_token=${token}`,
          method,
          headers: host === undefined ? {} : { host },
        },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      .on('error', reject)
      .end()
  })
}
