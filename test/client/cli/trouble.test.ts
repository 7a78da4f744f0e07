// What goes wrong between a person and the server: each is one clear line, the right exit code, and never a stack.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { observedFetch } from '../../../client/cli/observed-fetch.js'
import { findFreePort } from '../../support/free-port.js'
import { ediId, type Iam, startIam } from '../../support/iam.js'
import { startServer, type TestServer } from '../../support/server.js'
import { until } from '../../support/until.js'
import {
  type CliOptions,
  jsonLines,
  makeHome,
  type RunningCli,
  runCli,
  startCli,
  startInTerminal,
} from './run.js'

/** The test server's own. */
const KEY = 'test-key-0123456789abcdef'
const READER = 'reader-0123456789abcdef'

let iam: Iam
let server: TestServer
let home: string

beforeAll(async () => {
  iam = await startIam()
  server = await startServer({ env: { ...iam.env, API_READ_KEYS: `${KEY},${READER}` } })
  home = await makeHome()
})
afterAll(async () => {
  await server.dispose()
  await iam.close()
  await rm(home, { recursive: true, force: true })
})

const cli = (args: readonly string[], options: CliOptions = {}) => runCli(args, { home, ...options })

/** The line, after its name; fails when there is another, or a stack. */
async function refusal(args: readonly string[], options: CliOptions = {}): Promise<[number | null, string]> {
  const { exitCode, stdout, stderr } = await cli(args, options)
  const told = stderr.split('\n').filter((line) => !line.includes('trying again in'))
  expect([stdout, told.length, told[1]]).toEqual(['', 2, ''])
  expect(told[0]).toMatch(/^antipasto: /)
  return [exitCode, told[0]?.replace('antipasto: ', '') ?? '']
}

/** A server of another kind, for as long as `work` takes. */
async function withDouble<T>(
  double: http.Server | https.Server,
  scheme: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  double.listen(0, '127.0.0.1')
  await once(double, 'listening')
  try {
    return await work(`${scheme}://127.0.0.1:${(double.address() as AddressInfo).port}`)
  } finally {
    double.close()
    double.closeAllConnections()
  }
}

const answering = (status: number, headers: http.OutgoingHttpHeaders, body: string) =>
  http.createServer((_, response) => response.writeHead(status, headers).end(body))

describe('wrong usage: 2, and where help is', () => {
  test.each([
    [['lss'], "Unknown command 'lss'. Did you mean ls? See `antipasto --help`."],
    [['ls', '--labl', 'x'], "Unknown option '--labl'. Did you mean --label? See `antipasto ls --help`."],
    [['show'], "Missing required argument 'upload'. See `antipasto show --help`."],
    [['eml', 'pach', 'x'], "Unknown command 'pach'. Did you mean patch? See `antipasto eml --help`."],
    [
      ['ls', '--state', 'redy'],
      /^Option '--state <states\.\.\.>' argument 'redy' is invalid\. Allowed choices are receiving/,
    ],
    [['ls', '--label'], "Option '--label <label>' argument missing. See `antipasto ls --help`."],
    [['whoami', 'x'], /^Too many arguments/],
  ])('%j', async (args, words) => {
    const [exitCode, line] = await refusal(args)
    expect(exitCode).toBe(2)
    if (typeof words === 'string') expect(line).toBe(words)
    else expect(line).toMatch(words)
  })

  test('with --json it is an object', async () => {
    const { exitCode, stdout, stderr } = await cli(['ls', '--labl', 'x', '--json'])
    expect([exitCode, stderr]).toEqual([2, ''])
    expect(jsonLines(stdout)).toMatchObject([
      { error: { code: 'USAGE', message: expect.stringContaining('--labl') } },
    ])
  })

  test('no command at all: its help, on stderr', async () => {
    const { exitCode, stdout, stderr } = await cli([])
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Usage: antipasto')
  })

  test('no server: how to name one', async () => {
    const [exitCode, line] = await refusal(['ls'])
    expect(exitCode).toBe(2)
    expect(line).toMatch(/^Which server\?.*--url or ANTIPASTO_URL.*antipasto login/)
  })

  test('a damaged config file', async () => {
    const folder = path.join(home, '.config', 'antipasto')
    await mkdir(folder, { recursive: true })
    await writeFile(path.join(folder, 'config.json'), '{"url": ')
    const [exitCode, line] = await refusal(['ls'])
    expect([exitCode, line]).toEqual([2, expect.stringContaining('is damaged. Remove it')])
    await rm(folder, { recursive: true })
  })
})

describe('no way to the server: 1', () => {
  const failed = async (url: string, options: CliOptions = {}) => {
    const [exitCode, line] = await refusal(['whoami', '--url', url, '--token', 'k'], options)
    expect(exitCode).toBe(1)
    return line
  }

  test('a name that nobody knows', async () => {
    expect(await failed('https://no-such-host.invalid')).toMatch(
      /^The name no-such-host\.invalid was not found\./,
    )
  })

  test('a port where nobody listens', async () => {
    expect(await failed(`http://127.0.0.1:${await findFreePort()}`)).toMatch(
      /^Nothing listens at 127\.0\.0\.1:\d+\./,
    )
  })

  test('a certificate that nobody signed', async () => {
    const [keyFile, certificateFile] = [path.join(home, 'key.pem'), path.join(home, 'cert.pem')]
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        '/CN=x',
        '-days',
        '2',
        '-keyout',
        keyFile,
        '-out',
        certificateFile,
      ],
      { stdio: 'ignore' },
    )
    const double = https.createServer({ key: await readFile(keyFile), cert: await readFile(certificateFile) })
    await withDouble(double, 'https', async (url) => {
      expect(await failed(url)).toMatch(
        /^The TLS certificate of .* is not signed by anybody.*NODE_EXTRA_CA_CERTS/,
      )
    })
  })

  test('https where http is spoken', async () => {
    expect(await failed(server.url.replace('http:', 'https:'))).toMatch(/does not speak TLS/)
  })

  test.each<[string, number, http.OutgoingHttpHeaders, string]>([
    ['a captive portal', 200, { 'content-type': 'text/html' }, '<!DOCTYPE html><title>Wi-Fi</title>'],
    ['a captive portal that leads away', 302, { location: 'http://login.wifi.example/' }, ''],
    ['another site', 404, { 'content-type': 'text/html' }, '<html>Not Found</html>'],
    ['another API', 200, { 'content-type': 'application/json' }, 'this is not JSON'],
  ])(
    '%s',
    async (_, status, headers, body) => {
      await withDouble(answering(status, headers, body), 'http', async (url) => {
        expect(await failed(url)).toMatch(/web page answered|leads elsewhere|not antipasto answered/)
      })
    },
    60_000,
  )

  test('what the server says while it is waited for drives no terminal', async () => {
    const problem = JSON.stringify({
      code: 'UNAVAILABLE',
      detail: 'Busy\u001b[2J\u001b]0;owned\u0007. Wait.',
    })
    const headers = { 'content-type': 'application/problem+json', 'x-request-id': 'r', 'retry-after': '0' }
    await withDouble(answering(503, headers, problem), 'http', async (url) => {
      const { stderr } = await cli(['whoami', '--url', url, '--token', 'k'], {
        signalAfter: { milliseconds: 3_000 },
      })
      expect(stderr).toMatch(/^Busy\\x1b\[2J\\x1b\]0;owned\\x07; trying again in \d+ s\.\n/)
      expect([...stderr].filter((character) => '\u001b\u0007'.includes(character))).toEqual([])
    })
  })

  test('with --json the same as an object', async () => {
    const url = `http://127.0.0.1:${await findFreePort()}`
    const { exitCode, stdout, stderr } = await cli(['whoami', '--json', '--url', url])
    expect([exitCode, stderr]).toEqual([1, ''])
    expect(jsonLines(stdout)).toEqual([
      {
        error: {
          code: 'CONNECTION_FAILED',
          message: expect.stringContaining('Nothing listens'),
          request_id: null,
          hint: null,
        },
      },
    ])
  })

  test('ctrl-C ends the waiting at once: 130', async () => {
    const double = http.createServer(() => {})
    await withDouble(double, 'http', async (url) => {
      const { exitCode, stderr } = await cli(['whoami', '--url', url, '--token', 'k'], {
        signalAfter: { milliseconds: 2_000 },
      })
      expect([exitCode, stderr]).toEqual([130, 'antipasto: Interrupted.\n'])
    })
  })
})

describe('who asks: 4', () => {
  test('nobody', async () => {
    const [exitCode, line] = await refusal(['ls'], { env: { ANTIPASTO_URL: server.url } })
    expect([exitCode, line]).toEqual([
      4,
      expect.stringMatching(/Sign in with `antipasto login`, or give a key by --token/),
    ])
  })

  test('a wrong key, which is not repeated', async () => {
    const [exitCode, line] = await refusal(['ls', '--token', 'wrong-key-1'], { server })
    expect([exitCode, line]).toEqual([4, expect.stringMatching(/It is the one that --token gave\.$/)])
    expect(line).not.toContain('wrong-key-1')
  })

  test('a token that has expired', async () => {
    const token = iam.issue({ expiresInSeconds: -60 })
    const [exitCode, line] = await refusal(['ls', '--token', token], { server })
    expect(exitCode).toBe(4)
    expect(line).toMatch(/expired/)
  })

  test('one who may only read', async () => {
    const [exitCode] = await refusal(['rm', '--yes', 'f'.repeat(40)], {
      server: { url: server.url, key: READER },
    })
    expect(exitCode).toBe(1)
    const created = await fetch(`${server.url}/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ filename: 'a.csv', size: 3 }),
    })
    const { id } = (await created.json()) as { id: string }
    const [code, line] = await refusal(['extend', id, '--by', '1d'], {
      server: { url: server.url, key: READER },
    })
    expect([code, line]).toEqual([4, expect.stringMatching(/scope/)])
  })

  test('a wrong key fails all words at once, once', async () => {
    const [exitCode] = await refusal(['show', 'a', 'b', 'c', '--token', 'wrong'], { server })
    expect(exitCode).toBe(4)
  })
})

describe('what the server does not know: 1', () => {
  test.each([['show'], ['url'], ['eml', 'show'], ['manifest']])('%s', async (...args) => {
    const [exitCode, line] = await refusal([...args, 'f'.repeat(40)], { server })
    expect(exitCode).toBe(1)
    expect(line).toMatch(/f{40}|known|no such/i)
  })
})

describe('a sign-in that ends in the middle', () => {
  // A stream is opened anew when the server restarts: with a token that has ended by then.
  const LIFE_SECONDS = 4
  /** For clocks that differ, the server takes a token so much longer. */
  const LEEWAY_SECONDS = 60
  const token = (seconds: number) => iam.issue({ sub: ediId('ada'), expiresInSeconds: seconds })

  async function outlive(running: RunningCli): Promise<void> {
    await until(() => running.stdout().includes('upload.created'))
    await sleep(LIFE_SECONDS * 1000)
    await server.restart()
  }

  async function begin(): Promise<string> {
    const lasting = token(LIFE_SECONDS - LEEWAY_SECONDS)
    await fetch(`${server.url}/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${lasting}`, 'content-type': 'application/json' },
      body: JSON.stringify({ filename: 'a.csv', size: 3 }),
    })
    return lasting
  }

  test('at a terminal it waits for `antipasto login`, and goes on by itself', async () => {
    const own = await makeHome()
    const tokenFile = path.join(own, 'token')
    await writeFile(tokenFile, await begin())
    const running = startInTerminal(['events', '--follow'], {
      home: own,
      env: { ANTIPASTO_URL: server.url, ANTIPASTO_TOKEN_FILE: tokenFile },
    })
    try {
      await outlive(running)
      await until(() =>
        running.stdout().includes('Run `antipasto login` in another terminal; this goes on by itself.'),
      )
      await writeFile(tokenFile, token(600))
      await until(() => running.stdout().includes('You are signed in again; going on.'))
      running.child.stdin?.write('\u0003')
      expect((await running.ended).exitCode).toBe(130)
    } finally {
      running.child.stdin?.end()
      await rm(own, { recursive: true, force: true })
    }
  })

  test('a script is not left waiting: 4', async () => {
    const running = startCli(['events', '--follow', '--token', await begin()], {
      home,
      env: { ANTIPASTO_URL: server.url },
    })
    await outlive(running)
    const { exitCode, stderr } = await running.ended
    expect(exitCode).toBe(4)
    expect(stderr).toMatch(/antipasto: .*expired.* It is the one that --token gave\.\n$/)
  })
})

test('a token file is read', async () => {
  const tokenFile = path.join(home, 'token')
  await writeFile(tokenFile, `${server.key}\n`)
  const { exitCode } = await cli(['whoami'], {
    env: { ANTIPASTO_URL: server.url, ANTIPASTO_TOKEN_FILE: tokenFile },
  })
  expect(exitCode).toBe(0)
})

test('--verbose tells every request, and never the credential', async () => {
  const { stderr } = await cli(['whoami', '--verbose'], { server })
  expect(stderr).toMatch(new RegExp(`^GET ${server.url}/me 200 [\\w-]+ in \\d+ ms$`, 'm'))
  expect(stderr).not.toContain(server.key)
})

test('--verbose leaves out the token of a retrieval URL, which needs no other', async () => {
  const lines: string[] = []
  const fetch = observedFetch(async () => new Response('', { headers: { 'x-request-id': 'r1' } }), {
    onAnswer: () => {},
    onLine: (line) => lines.push(line),
  })
  await fetch('https://s.example/r/abcDEF_-0123456789abcdefghi/a.csv')
  expect(lines).toEqual([expect.stringMatching(/^GET https:\/\/s\.example\/r\/…\/a\.csv 200 r1 in \d+ ms$/)])
})
