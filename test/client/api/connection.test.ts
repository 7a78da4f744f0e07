// One request against whatever may answer it, or not.

import type { RequestListener } from 'node:http'
import { afterEach, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../client/api/antipasto.js'
import type { ConnectionOptions, Wait } from '../../../client/api/connection.js'
import { askJson } from '../../../client/api/json.js'
import { findFreePort } from '../../support/free-port.js'
import { type OddServer, sendJson, startOddServer, startSelfSignedServer } from './odd-server.js'

const servers: OddServer[] = []

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function serve(handler: RequestListener): Promise<OddServer> {
  const server = await startOddServer(handler)
  servers.push(server)
  return server
}

/** By default it isn't patient. */
function clientOf(url: string, options: Partial<ConnectionOptions> = {}) {
  const waits: Wait[] = []
  const antipasto = new Antipasto({
    url,
    token: 'ap_secret',
    patienceSeconds: 0,
    onWait: (wait) => waits.push(wait),
    ...options,
  })
  return { antipasto, connection: antipasto.connection, waits }
}

const page: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Hotel Wi-Fi</title>')
}

describe('a captive portal', () => {
  test('with a page is named as what it is, whatever was asked', async () => {
    const { url } = await serve(page)
    const { antipasto } = clientOf(url)
    const words = 'A web page answered (status 200, beginning "<!doctype html><title>Hotel Wi-Fi</title>").'
    for (const asked of [
      () => antipasto.me(),
      () => antipasto.packages.finalize('x'),
      () => antipasto.packages.manifest('x', 'cbor'),
      () => antipasto.packages.eml('x'),
      () => antipasto.uploads.remove('x'),
      () => antipasto.uploads.removeWithUndo('x', 5),
      () => antipasto.uploads.restore('x'),
      () => antipasto.uploads.list().next(),
      () => antipasto.events({ follow: false }).next(),
    ]) {
      await expect(asked()).rejects.toMatchObject({
        name: 'ForeignAnswer',
        status: 200,
        message: expect.stringContaining(words),
      })
    }
  })

  test('that leads away is not followed', async () => {
    const { url, requests } = await serve((_, response) => {
      response.writeHead(302, { location: 'http://portal.example.org/login' }).end()
    })
    await expect(clientOf(url).antipasto.me()).rejects.toMatchObject({
      name: 'ForeignAnswer',
      status: 302,
      message: expect.stringContaining('to http://portal.example.org/login (status 302)'),
    })
    expect(requests).toEqual(['GET /me'])
  })

  test('that is busy counts as a server that is', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(503, { 'content-type': 'text/html', 'retry-after': '3' }).end('<html>Busy</html>')
    })
    await expect(clientOf(url).antipasto.me()).rejects.toMatchObject({
      name: 'Unavailable',
      retryAfterSeconds: 3,
    })
  })

  test('is waited out', async () => {
    let isSignedIn = false
    const { url } = await serve((request, response) => {
      if (isSignedIn) sendJson(response, 200, { owner: 'ada' })
      else page(request, response)
    })
    const { antipasto, waits } = clientOf(url, {
      patienceSeconds: 20,
      onWait(wait) {
        waits.push(wait)
        isSignedIn = waits.length === 2
      },
    })
    expect(await antipasto.me()).toEqual({ owner: 'ada' })
    expect(waits.map(({ attempt, error }) => [attempt, error.name])).toEqual([
      [1, 'ForeignAnswer'],
      [2, 'ForeignAnswer'],
    ])
  })
})

describe('no answer', () => {
  test('as the name is not found', async () => {
    const { antipasto } = clientOf('http://nowhere.invalid')
    await expect(antipasto.me()).rejects.toMatchObject({
      name: 'ConnectionFailed',
      code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
      message: "The name nowhere.invalid was not found. Check the server's URL and the network.",
    })
  })

  test('as nobody listens', async () => {
    const port = await findFreePort()
    await expect(clientOf(`http://127.0.0.1:${port}`).antipasto.me()).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      message: expect.stringContaining(`Nothing listens at 127.0.0.1:${port}.`),
    })
  })

  test('as nobody trusts the certificate, which no patience helps', async () => {
    const server = await startSelfSignedServer(page)
    servers.push(server)
    const { antipasto, waits } = clientOf(server.url, { patienceSeconds: 60 })
    await expect(antipasto.me()).rejects.toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      message: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    })
    expect([waits, server.requests]).toEqual([[], []])
  })

  test('as the server does not speak TLS', async () => {
    const { url } = await serve(page)
    await expect(clientOf(url.replace('http:', 'https:')).antipasto.me()).rejects.toMatchObject({
      code: 'ERR_SSL_WRONG_VERSION_NUMBER',
      message: expect.stringContaining('maybe http instead of https'),
    })
  })

  test('as the server stalls, before the head and in the body', async () => {
    const { url } = await serve((request, response) => {
      if (request.url === '/sign-in')
        response.writeHead(200, { 'content-type': 'application/json' }).write('{')
    })
    const { antipasto } = clientOf(url, { answerWithinSeconds: 0.2 })
    await expect(antipasto.me()).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: `${new URL(url).host} has not answered for 0.2 seconds.`,
    })
    await expect(antipasto.signIn()).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  })

  test('as one answer of a list stalls: within patience the page is asked for again', async () => {
    const { url, requests } = await serve((_, response) => {
      if (requests.length > 1) sendJson(response, 200, { items: [], next_cursor: null })
    })
    const { antipasto } = clientOf(url, { patienceSeconds: 20 })
    const page = await antipasto.uploads.page({}, { answerWithinSeconds: 0.2 })
    expect([page.items, requests.length]).toEqual([[], 2])
  })

  test('as the body breaks off: the same is asked again, and comes whole', async () => {
    const { url, requests } = await serve((_, response) => {
      if (requests.length === 1) {
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
          .write('{"owner"')
        setTimeout(() => response.destroy(), 50)
      } else sendJson(response, 200, { owner: 'ada' })
    })
    expect(await clientOf(url, { patienceSeconds: 20 }).antipasto.me()).toEqual({ owner: 'ada' })
    expect(requests).toHaveLength(2)
  })

  test('until patience is over: then what it was', async () => {
    const port = await findFreePort()
    const { antipasto, waits } = clientOf(`http://127.0.0.1:${port}`, { patienceSeconds: 2 })
    const startedAt = performance.now()
    await expect(antipasto.me()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(performance.now() - startedAt).toBeLessThan(4000)
    expect(waits.length).toBeGreaterThan(0)
  })
})

describe('what must not be done twice', () => {
  test('is not, when the connection broke or the answer is strange', async () => {
    for (const spoil of [
      (response: Parameters<RequestListener>[1]) => response.destroy(),
      (response: Parameters<RequestListener>[1]) => response.writeHead(500).end(),
      (response: Parameters<RequestListener>[1]) => response.writeHead(503).end('<html>'),
      (response: Parameters<RequestListener>[1]) => response.writeHead(200).end('hello'),
    ]) {
      const { url, requests } = await serve((_, response) => spoil(response))
      const { antipasto } = clientOf(url, { patienceSeconds: 20 })
      await expect(antipasto.packages.create({ name: 'Lakes' })).rejects.toThrow()
      await expect(antipasto.keys.create({ name: 'script' })).rejects.toThrow()
      await expect(antipasto.uploads.renewUrl('x')).rejects.toThrow()
      await expect(antipasto.files.create(new Uint8Array(3), { filename: 'a' })).rejects.toThrow()
      expect(requests).toHaveLength(4)
    }
  })

  test('is, when it was turned away before it began', async () => {
    const { url, requests } = await serve((_, response) => {
      const code = requests.length === 1 ? 'RATE_LIMITED' : 'LOCKED'
      if (requests.length < 3) sendJson(response, code === 'LOCKED' ? 423 : 429, { code, detail: 'Later.' })
      else sendJson(response, 201, { id: 'p1' })
    })
    const { antipasto } = clientOf(url, { patienceSeconds: 20 })
    expect(await antipasto.packages.create({ name: 'Lakes' })).toEqual({ id: 'p1' })
    expect(requests).toEqual(['POST /packages', 'POST /packages', 'POST /packages'])
  })

  test('is, when a name of its own makes it the same', async () => {
    const { url, requests } = await serve((request, response) => {
      if (requests.length === 1) response.destroy()
      else sendJson(response, 201, { id: String(request.headers['idempotency-key']) })
    })
    const { antipasto } = clientOf(url, { patienceSeconds: 20 })
    expect(await antipasto.uploads.open({ filename: 'a' }, 'key-1')).toEqual({ id: 'key-1' })
    expect(requests).toHaveLength(2)
  })

  test('is not with a stream, which was read', async () => {
    const { url, requests } = await serve((_, response) =>
      sendJson(response, 429, { code: 'RATE_LIMITED', detail: '' }),
    )
    const { antipasto } = clientOf(url, { patienceSeconds: 20 })
    const stream = new Blob(['abc']).stream() as ReadableStream<Uint8Array>
    await expect(antipasto.files.create(stream, { filename: 'a' })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    })
    expect(requests).toHaveLength(1)
  })
})

describe('an abort', () => {
  const reason = new Error('That is enough.')

  test('ends a request at once, with its own reason: before it, without an answer, and in the body', async () => {
    const { url, requests } = await serve((request, response) => {
      if (request.url === '/sign-in')
        response.writeHead(200, { 'content-type': 'application/json' }).write('{')
    })
    const { antipasto } = clientOf(url, { patienceSeconds: 60 })
    await expect(antipasto.me(AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(requests).toEqual([])
    for (const ask of [
      (signal: AbortSignal) => antipasto.me(signal),
      (signal: AbortSignal) => antipasto.signIn(signal),
      (signal: AbortSignal) => antipasto.uploads.remove('x', signal),
      (signal: AbortSignal) => antipasto.packages.create({ name: 'x' }, signal),
      (signal: AbortSignal) => antipasto.packages.list({}, signal).next(),
      (signal: AbortSignal) => antipasto.packages.manifest('x', 'json', signal),
      (signal: AbortSignal) => antipasto.packages.patchEml({ label: 'x' }, '<a/>', signal),
      (signal: AbortSignal) => antipasto.files.create(new Uint8Array(1), { filename: 'x' }, signal),
      (signal: AbortSignal) => antipasto.keys.list(signal).next(),
      (signal: AbortSignal) => antipasto.events({ signal, follow: true }).next(),
      (signal: AbortSignal) => antipasto.events({ signal }).next(),
    ]) {
      const controller = new AbortController()
      const asked = ask(controller.signal)
      setTimeout(() => controller.abort(reason), 50)
      const startedAt = performance.now()
      await expect(asked).rejects.toBe(reason)
      expect(performance.now() - startedAt).toBeLessThan(1000)
    }
  })

  test('ends a wait, and the wait for a new sign-in', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
    })
    const port = await findFreePort()
    const never = { current: () => 'old', renew: () => new Promise<null>(() => {}) }
    for (const client of [
      new Antipasto({ url: `http://127.0.0.1:${port}`, patienceSeconds: 60 }),
      new Antipasto({ url, credentials: never }),
    ]) {
      const controller = new AbortController()
      setTimeout(() => controller.abort(reason), 100)
      await expect(client.me(controller.signal)).rejects.toBe(reason)
    }
  })
})

describe('the credential', () => {
  test('goes to the server of the URL and nowhere else', async () => {
    const seen: (string | undefined)[] = []
    const listener: RequestListener = (request, response) => {
      seen.push(request.headers.authorization)
      sendJson(response, 200, {})
    }
    const [ours, other] = await Promise.all([serve(listener), serve(listener)])
    const { connection } = clientOf(`${ours.url}/`)
    await askJson(connection, '/me')
    await askJson(connection, `${ours.url}/r/x`, { isAnonymous: true })
    await askJson(connection, `${other.url}/me`)
    expect(seen).toEqual(['Bearer ap_secret', undefined, undefined])
    expect(ours.requests).toEqual(['GET /me', 'GET /r/x'])
  })

  test('that is refused for anything but its end is not renewed', async () => {
    let renewals = 0
    const { url, requests } = await serve((_, response) =>
      sendJson(response, 401, { code: 'UNAUTHORIZED', detail: 'No.' }),
    )
    const credentials = {
      current: () => 'a',
      renew: async () => {
        renewals += 1
        return 'b'
      },
    }
    await expect(new Antipasto({ url, credentials }).me()).rejects.toMatchObject({ name: 'Unauthorized' })
    expect([renewals, requests.length]).toEqual([0, 1])
  })

  test('that is refused after its renewal, too, is not renewed for ever', async () => {
    const { url, requests } = await serve((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
    })
    let number = 0
    const credentials = { current: () => 'old', renew: async () => `new-${++number}` }
    await expect(new Antipasto({ url, credentials }).me()).rejects.toMatchObject({ name: 'Unauthorized' })
    expect([number, requests.length]).toEqual([1, 2])
  })
})

test('a redirect that a browser hides is refused, too', async () => {
  const opaque = { type: 'opaqueredirect', ok: false, status: 0, headers: new Headers(), body: null }
  const fetch = async () => opaque as unknown as Response
  const { antipasto } = clientOf('http://localhost', { fetch: fetch as typeof globalThis.fetch })
  await expect(antipasto.me()).rejects.toThrow("The server's URL leads elsewhere.")
})

test('a URL that is none of HTTP is refused at once', () => {
  expect(() => new Antipasto({ url: 'ftp://example.org' })).toThrow('is not a URL of http or https')
  expect(() => new Antipasto({ url: 'example.org' })).toThrow('example.org is not a URL of http or https.')
})
