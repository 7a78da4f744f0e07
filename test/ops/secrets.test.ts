// The log of a running server at its most talkative, after requests that carried every kind of secret to every kind of end.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Answer, ask, askRaw } from '../dialects/exchange.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { type Iam, startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'

let iam: Iam
let server: TestServer

beforeAll(async () => {
  iam = await startIam()
  server = await startServer({ env: { ...iam.env, LOG_LEVEL: 'trace', TRUST_PROXY: '1' } })
})

afterAll(async () => {
  await server?.dispose()
  await iam?.close()
})

/** One object a line, the banner left out. */
function lines(): Record<string, unknown>[] {
  return server
    .logs()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
}

test('No secret is in it, whatever became of the request', async () => {
  const token = iam.issue({})
  const expired = iam.issue({ expiresInSeconds: -3_600 })
  // One in a hundred has no digit, and looks like a long name.
  let iamKey = iam.makeKey({})
  while (!/\d/.test(iamKey)) iamKey = iam.makeKey({})
  const unknownKey = `ap_${'Zk3vJq8L'.repeat(4).slice(0, 27)}`
  const credentials = [server.key, token, expired, iamKey, unknownKey]

  for (const credential of credentials) {
    const headers = { Authorization: `Bearer ${credential}` }
    const send = (method: string, path: string, more = {}) =>
      ask(server.url, { method, path, headers: { ...headers, ...more } })
    await send('GET', '/uploads')
    await send('GET', `/uploads?access_token=${credential}`)
    await send('GET', `/?edi_token=${credential}&cn=x`)
    await send('GET', `/api-keys/${credential}`)
    // One from the configuration looks like anything, and nothing is expected of such a place.
    if (credential !== server.key) await send('DELETE', `/uploads/${credential}`)
    await ask(server.url, {
      method: 'GET',
      path: '/uploads',
      headers: { 'X-API-Key': credential, Cookie: `edi-token=${credential}` },
    })
    await send('GET', '/healthz', {
      'User-Agent': `curl/8 token=${credential}`,
      Referer: `https://x/?edi_token=${credential}`,
    })
    await ask(server.url, {
      method: 'POST',
      path: '/packages',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: Buffer.from(`{"name": "${credential}`),
    })
    // What Node's parser refuses comes with the bytes of its headers.
    await askRaw(server.url, [
      `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${credential}\r\nbad header\r\n\r\n`,
    ])
    await askRaw(server.url, [`GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: ${credential}\r\nX: \x01\r\n\r\n`])
  }

  const client = new RestClient(server)
  const secrets: string[] = [...credentials]
  const put = await client.send('POST', '/files', { 'Content-Type': 'text/csv' }, Buffer.from('a,b'))
  const retrieval = new URL(bodyOf<{ retrieval_url: string }>(put).retrieval_url).pathname
  secrets.push(retrieval.split('/')[2] ?? '')
  for (const path of [
    retrieval,
    retrieval.replace('/r/', '/R//'),
    retrieval.replace('/r/', '/%72/'),
    `${retrieval}/more`,
  ]) {
    await ask(server.url, { method: 'GET', path })
    await ask(server.url, { method: 'POST', path })
  }
  const hook = await client.json('POST', '/webhooks', {
    url: 'https://hooks.example.org/?key=s3cret-of-a-hook',
    events: ['*'],
  })
  secrets.push('s3cret-of-a-hook', ...secretIn(hook))
  const made = await client.json('POST', '/api-keys', { name: 'another', scopes: ['read'] })
  secrets.push(...secretIn(made))
  secrets.push(decodeURIComponent(new URL(server.databaseUrl ?? '').password))

  await sleep(200)
  const log = server.logs()
  expect(lines().length).toBeGreaterThan(60)
  expect(secrets.filter((secret) => secret.length >= 8).length).toBeGreaterThanOrEqual(7)
  for (const secret of secrets.filter((one) => one.length >= 8)) {
    expect(log.includes(secret) ? `told: ${secret}` : 'kept').toBe('kept')
    // The parser's error had them as numbers.
    expect(log).not.toContain(Buffer.from(secret).join(','))
  }
})

/** What an answer shows once and never again. */
function secretIn(answer: Answer): string[] {
  const { key, secret } = bodyOf<{ key?: string; secret?: string }>(answer)
  return [key, secret].filter((one) => one !== undefined)
}

test('Who it was, with which key and from where, is in it', async () => {
  const made = await new RestClient(server).json('POST', '/api-keys', { name: 'who', scopes: ['read'] })
  const { id, key } = bodyOf<{ id: string; key: string }>(made)
  const answer = await ask(server.url, {
    method: 'GET',
    path: '/uploads',
    headers: { 'X-API-Key': key, 'X-Forwarded-For': '192.0.2.7', 'X-Request-ID': 'who-it-was-1' },
  })
  expect(answer.status).toBe(200)
  await sleep(100)
  expect(lines().find((line) => line.id === 'who-it-was-1' && line.msg === 'request')).toMatchObject({
    method: 'GET',
    path: '/uploads',
    status: 200,
    address: '192.0.2.7',
    key_id: id,
    owner: expect.any(String),
    outcome: 'completed',
  })
})

test('Hostile requests make one line each, and forge none', async () => {
  const before = lines().length
  const forged = '%0d%0a{"level":"fatal","msg":"forged"}'
  await ask(server.url, {
    method: 'GET',
    path: `/uploads/${forged}`,
    headers: { Authorization: `Bearer ${server.key}` },
  })
  await ask(server.url, { method: 'GET', path: '/nothing', headers: { 'X-Request-ID': '{"level":"fatal"}' } })
  await ask(server.url, {
    method: 'GET',
    path: '/nothing',
    headers: { 'User-Agent': '\x9b2J\x85","level":"fatal' },
  })
  await sleep(200)
  const added = lines().slice(before)
  expect(added.filter(({ msg }) => msg === 'request')).toHaveLength(3)
  expect(added.filter(({ level }) => level === 'fatal' || level === 'error')).toEqual([])
  // Nothing but printed characters and ends of lines.
  expect(server.logs()).toMatch(/^[\P{Cc}\n]*$/u)
  expect(server.logs()).not.toMatch(/\p{Zl}|\p{Zp}/u)
})
