// The ways to sign in, and the way to the IAM: it leads back to this server's own page, whatever a request says.

import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Iam, startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'

const PUBLIC_URL = 'https://staging.example'
const PROVIDERS = ['github', 'google', 'microsoft', 'orcid', 'pasta']

describe('with an IAM', () => {
  let iam: Iam
  let server: TestServer

  beforeAll(async () => {
    iam = await startIam()
    server = await startServer({ env: { ...iam.env, PUBLIC_URL } })
  })

  afterAll(async () => {
    await server?.dispose()
    await iam?.close()
  })

  test('tells each provider with its URL, and keys last', async () => {
    const response = await fetch(`${server.url}/sign-in`)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const { methods } = (await response.json()) as { methods: Record<string, string>[] }
    expect(methods.map(({ type, provider, url }) => ({ type, provider, url }))).toEqual([
      ...PROVIDERS.map((provider) => ({
        type: 'redirect',
        provider,
        url: `${PUBLIC_URL}/sign-in/${provider}`,
      })),
      { type: 'api_key', provider: undefined, url: undefined },
    ])
  })

  const locationOf = (provider: string) =>
    `${iam.url}/auth/login/${provider}?target=https%3A%2F%2Fstaging.example%2F`

  test.each(PROVIDERS)('sends the browser to sign in by %s, and to come back here', async (provider) => {
    const answer = await get(server, `/sign-in/${provider}`)
    expect(answer.statusCode).toBe(302)
    expect(answer.headers.location).toBe(locationOf(provider))
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers['referrer-policy']).toBe('no-referrer')
  })

  const evil = encodeURIComponent('https://evil.example/')
  test.each([
    ['target', `/sign-in/github?target=${evil}`, {}],
    ['two targets', `/sign-in/github?target=${evil}&target=${evil}`, {}],
    ['other names for it', `/sign-in/github?redirect_uri=${evil}&next=${evil}&return_to=${evil}`, {}],
    ['Host', '/sign-in/github', { Host: 'evil.example' }],
    ['X-Forwarded-Host', '/sign-in/github', { 'X-Forwarded-Host': 'evil.example' }],
    ['Forwarded', '/sign-in/github', { Forwarded: 'host=evil.example;proto=https' }],
    [
      'Referer and Origin',
      '/sign-in/github',
      { Referer: 'https://evil.example/', Origin: 'https://evil.example' },
    ],
    ['a whole URL', 'http://evil.example/sign-in/github', {}],
    ['a line break', '/sign-in/github?target=%0d%0aLocation:%20https://evil.example', {}],
  ])('leads nowhere else by %s', async (_, target, headers) => {
    const answer = await get(server, target, headers)
    expect(answer.statusCode).toBe(302)
    expect(answer.headers.location).toBe(locationOf('github'))
    expect(answer.rawHeaders.filter((name) => name.toLowerCase() === 'location')).toHaveLength(1)
  })

  test.each([
    'GitHub',
    'facebook',
    'constructor',
    '__proto__',
    'github%2F..%2F..',
    '..%2Fgithub',
    'github%3Ftarget=x',
    'github%00',
    '@evil.example',
    '%2F%2Fevil.example',
  ])('knows nobody by the name %s', async (provider) => {
    const answer = await get(server, `/sign-in/${provider}`)
    expect(answer.statusCode).toBe(404)
    expect(answer.headers.location).toBeUndefined()
    expect(answer.headers['content-type']).toContain('application/problem+json')
  })
})

describe('without an IAM', () => {
  let server: TestServer

  beforeAll(async () => {
    server = await startServer()
  })

  afterAll(async () => server?.dispose())

  test('keys are all there is', async () => {
    const response = await fetch(`${server.url}/sign-in`)
    expect(await response.json()).toEqual({ methods: [{ type: 'api_key', name: 'API key' }] })
    for (const provider of PROVIDERS) expect((await get(server, `/sign-in/${provider}`)).statusCode).toBe(404)
  })
})

/** Follows nothing; the target and Host go as they are. */
async function get(
  server: TestServer,
  target: string,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  const { hostname, port } = new URL(server.url)
  const request = http.get({ hostname, port, path: target, headers, agent: false })
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return answer
}
