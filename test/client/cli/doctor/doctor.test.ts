import { once } from 'node:events'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../../client/api/antipasto.js'
import { startServer, type TestServer } from '../../../support/server.js'
import { jsonLines, makeHome, runCli } from '../run.js'

interface Line {
  event: string
  name: string
  state: string
  detail: string
  advice: string | null
}

let server: TestServer
let home: string

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.dispose())

beforeEach(async () => {
  home = await makeHome()
})

afterEach(() => rm(home, { recursive: true, force: true }))

async function doctor(env: Record<string, string>, ...args: string[]) {
  const { exitCode, stdout, stderr } = await runCli(['doctor', '--json', ...args], { env, home })
  const lines = jsonLines(stdout) as Line[]
  const states = Object.fromEntries(lines.filter(({ name }) => name).map(({ name, state }) => [name, state]))
  return { exitCode, lines, states, stderr }
}

const signedIn = () => ({ ANTIPASTO_URL: server.url, ANTIPASTO_TOKEN: server.key })

describe('doctor', () => {
  test('finds nothing wrong where nothing is', async () => {
    const { exitCode, states } = await doctor(signedIn())
    expect(states).toEqual({
      node: 'ok',
      config: 'ok',
      state: 'ok',
      url: 'ok',
      proxy: 'ok',
      name: 'ok',
      connection: 'ok',
      server: 'ok',
      ready: 'ok',
      'round trip': 'ok',
      clock: 'ok',
      tus: 'ok',
      credential: 'ok',
      limits: 'ok',
    })
    expect(exitCode).toBe(0)
  })

  test('is a list for people, with what to do', async () => {
    const { exitCode, stdout } = await runCli(['doctor'], { env: { ANTIPASTO_URL: server.url }, home })
    expect(exitCode).toBe(4)
    expect(stdout).toMatch(/^ok {4}server {7}antipasto \d+\.\d+\.\d+$/m)
    expect(stdout).toMatch(/^fail {2}credential {3}there is none\n {19}Sign in with `antipasto login`/m)
    expect(stdout).toMatch(/1 failed\.\n$/)
  })

  test('measures the speed, finds no buffering, and leaves nothing there', async () => {
    const { exitCode, states, lines } = await doctor(signedIn(), '--speed')
    expect(states).toMatchObject({ speed: 'ok', buffering: 'ok' })
    expect(lines.find(({ name }) => name === 'speed')?.detail).toMatch(/\d \wB\/s to the server \(8\.0 MB\)/)
    expect(exitCode).toBe(0)
    const { usage } = await new Antipasto({ url: server.url, token: server.key }).me()
    expect(usage).toEqual({ bytes: 0, files: 0, open_uploads: 0 })
  })

  test('finds a proxy that keeps requests until they are whole', async () => {
    const proxy = await startBufferingProxy(server.url)
    try {
      const { states, lines } = await doctor({ ...signedIn(), ANTIPASTO_URL: proxy.url }, '--speed')
      expect(states).toMatchObject({ speed: 'ok', buffering: 'warn' })
      expect(lines.find(({ name }) => name === 'buffering')?.advice).toContain('proxy_request_buffering off')
    } finally {
      proxy.close()
    }
  })

  test('tells a name that nobody knows, and a port that nobody listens at, and stops there', async () => {
    const unknown = await doctor({ ANTIPASTO_URL: 'https://nowhere.invalid' })
    expect(unknown).toMatchObject({ exitCode: 1, states: { name: 'fail', server: 'skip' } })
    const refused = await doctor({ ANTIPASTO_URL: 'http://127.0.0.1:9' })
    expect(refused).toMatchObject({ exitCode: 1, states: { connection: 'fail', server: 'skip' } })
    const noTls = await doctor({ ANTIPASTO_URL: server.url.replace('http:', 'https:') })
    expect(noTls).toMatchObject({
      exitCode: 1,
      states: { connection: 'ok', encryption: 'fail', server: 'skip' },
    })
  })

  test('tells what answers in the place of a server', async () => {
    const portal = http.createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Hotel</title>')
    })
    portal.listen(0, '127.0.0.1')
    await once(portal, 'listening')
    const url = `http://127.0.0.1:${(portal.address() as AddressInfo).port}`
    const { exitCode, lines } = await doctor({ ANTIPASTO_URL: url })
    portal.closeAllConnections()
    portal.close()
    expect(exitCode).toBe(1)
    expect(lines.at(-2)).toMatchObject({ name: 'server', state: 'fail' })
    expect(lines.at(-2)?.detail).toContain('A web page answered')
  })

  test('tells a wrong credential, and that there is no server', async () => {
    const wrong = await doctor({ ...signedIn(), ANTIPASTO_TOKEN: 'wrong' })
    expect(wrong).toMatchObject({ exitCode: 4, states: { credential: 'fail', tus: 'ok' } })
    expect(await doctor({})).toMatchObject({ exitCode: 1, states: { url: 'fail', node: 'ok' } })
  })

  test('tells a config file that others may read', async () => {
    const config = path.join(home, '.config', 'antipasto', 'config.json')
    await mkdir(path.dirname(config), { recursive: true })
    await writeFile(
      config,
      JSON.stringify({ url: server.url, servers: { [server.url]: { token: server.key } } }),
    )
    await chmod(config, 0o644)
    const { exitCode, lines } = await doctor({})
    expect(exitCode).toBe(0)
    expect(lines.find(({ name }) => name === 'config file')).toMatchObject({
      state: 'warn',
      advice: `Run chmod 600 ${config}.`,
    })
  })

  test('tells a folder that cannot be written to', async () => {
    await writeFile(path.join(home, 'file'), '')
    const { exitCode, states } = await doctor({
      ...signedIn(),
      ANTIPASTO_STATE_DIR: path.join(home, 'file', 'state'),
    })
    expect({ exitCode, state: states.state }).toEqual({ exitCode: 1, state: 'fail' })
  })

  test('goes through the proxy of the environment, and says so without its password', async () => {
    const { lines, states } = await doctor({
      ANTIPASTO_URL: 'http://staging.example.invalid',
      HTTP_PROXY: 'http://ada:secret@127.0.0.1:9',
    })
    expect(states).toMatchObject({ proxy: 'ok', server: 'fail' })
    expect(states.name).toBeUndefined()
    expect(JSON.stringify(lines)).not.toContain('secret')
  })
})

/** As nginx with `proxy_request_buffering on`: nothing goes on before the request is whole. */
async function startBufferingProxy(target: string): Promise<{ url: string; close(): void }> {
  const proxy = http.createServer(async (request, response) => {
    const pieces: Buffer[] = []
    try {
      for await (const piece of request) pieces.push(piece as Buffer)
    } catch {
      return
    }
    const { 'transfer-encoding': _chunked, ...headers } = request.headers
    const body = Buffer.concat(pieces)
    const upstream = http.request(
      new URL(request.url ?? '/', target),
      { method: request.method, headers: { ...headers, 'content-length': body.byteLength } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    upstream.on('error', () => response.destroy())
    upstream.end(body)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    close() {
      proxy.closeAllConnections()
      proxy.close()
    },
  }
}
