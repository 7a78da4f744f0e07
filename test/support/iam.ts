// A double of EDI's identity provider (PASTAplus/auth): real ES256 tokens over real HTTP, and it can fail.
//
//   const iam = await startIam()
//   const server = await startServer({ env: iam.env })       // AUTH_PRESET=edi with this one's key
//   const token = iam.issue({ sub: ediId('ada'), principals: [ediId('lter')], expiresInSeconds: 600 })
//   const key = iam.makeKey({ sub: ediId('ada') })           // 27 characters, for POST /auth/v1/key
//   iam.signsIn({ sub: ediId('ada') })                       // whom GET /auth/login/github?target=… sends back
//   iam.fail('hang'); iam.recover(); iam.requests('/jwks.json'); await iam.close()
//
// What EDI would never sign: `issue({ claims: { iss: 'other' }, header: { typ: 'x' } })`, or `signJws` for anything at all.

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface IssuedClaims {
  /** Default: `ediId('somebody')`. */
  sub?: string
  /** Groups. */
  principals?: readonly string[]
  /** Profiles that were merged into `sub`. */
  links?: readonly { ediId: string }[]
  /** From now; negative: it is over already. Default: 8 hours, as EDI's. */
  expiresInSeconds?: number
  /** Over all others; undefined leaves one out. */
  claims?: Readonly<Record<string, unknown>>
  /** Over `{ alg: 'ES256', typ: 'JWT' }`; undefined leaves one out. */
  header?: Readonly<Record<string, unknown>>
  /** Names the key in the header, which EDI doesn't. */
  withKid?: boolean
}

export const iamFaults = ['500', 'hang', 'slow', 'redirect', 'garbage', 'huge', 'cut'] as const

/**
 * `slow` answers rightly after two seconds, `redirect` leads to where there is a right answer, `garbage` is 200 without
 * JSON, `huge` is 200 with 8 MiB of JSON, `cut` ends the connection in the middle of the answer.
 */
export type IamFault = (typeof iamFaults)[number]

export interface Iam {
  /** Its origin. */
  readonly url: string
  readonly jwksUrl: string
  /** PEM, SPKI: the first key, which stays in the file after a rotation. */
  readonly publicKeyFile: string
  /** The settings that make a server trust this one as EDI's. */
  readonly env: Readonly<Record<string, string>>
  /** The private key that signs now. */
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** Of the key that signs now, as in /jwks.json. */
  readonly kid: string
  issue(claims?: IssuedClaims): string
  /** An API key of the IAM's, which POST /auth/v1/key changes for a token made then. */
  makeKey(claims?: IssuedClaims): string
  revokeKey(key: string): void
  /** Who comes back from GET /auth/login/:provider?target=… from now on. */
  signsIn(claims: IssuedClaims): void
  /** A new key signs from now on; /jwks.json has it alone, or with those before it. */
  rotate(options?: { keepsOld?: boolean }): void
  /** Every request meets it until `recover`. */
  fail(fault: IamFault): void
  recover(): void
  /** How many requests came for that path, without its query. */
  requests(pathname: string): number
  close(): Promise<void>
}

const ISSUER = 'https://auth.edirepository.org'
const HOSTED_DOMAIN = 'edirepository.org'
const LIFE_SECONDS = 8 * 3600
const PROVIDERS = ['github', 'google', 'microsoft', 'orcid', 'pasta']
const SLOW_MILLISECONDS = 2_000

/** The EDI-ID of a name: always the same. */
export function ediId(name: string): string {
  return `EDI-${createHash('sha1').update(name).digest('hex')}`
}

/**
 * A JWS in compact form, of whatever is given: an object goes as JSON, a text as it is.
 *
 * @param sign of the signing input; default: none, as with `alg: none`
 */
export function signJws(
  header: object | string,
  payload: object | string,
  sign: (input: Buffer) => Buffer = () => Buffer.alloc(0),
): string {
  const part = (value: object | string): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const input = `${part(header)}.${part(payload)}`
  return `${input}.${sign(Buffer.from(input)).toString('base64url')}`
}

/** For `signJws`, with an EC key of P-256. */
export function es256(privateKey: KeyObject): (input: Buffer) => Buffer {
  return (input) => sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' })
}

/** The claims of EDI's tokens, in seconds since 1970. */
export function ediClaims({
  sub = ediId('somebody'),
  principals = [],
  links = [],
  expiresInSeconds = LIFE_SECONDS,
  claims = {},
}: IssuedClaims = {}): Record<string, unknown> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const issuedAt = nowSeconds + Math.min(0, expiresInSeconds - 1)
  return {
    sub,
    cn: 'Some Body',
    email: 'somebody@example.org',
    principals,
    links,
    iss: ISSUER,
    hd: HOSTED_DOMAIN,
    iat: issuedAt,
    nbf: issuedAt,
    exp: nowSeconds + expiresInSeconds,
    ...claims,
  }
}

interface SigningKey {
  kid: string
  privateKey: KeyObject
  publicKey: KeyObject
}

export async function startIam(): Promise<Iam> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-iam-'))
  const publicKeyFile = path.join(folder, 'public-key.pem')
  let signing = newKey()
  let published = [signing]
  await writeFile(publicKeyFile, signing.publicKey.export({ type: 'spki', format: 'pem' }))

  const keys = new Map<string, IssuedClaims>()
  const counts = new Map<string, number>()
  let person: IssuedClaims = {}
  let fault: IamFault | undefined

  const issue = (issued: IssuedClaims = {}): string => {
    const kid = issued.withKid === true ? { kid: signing.kid } : {}
    return signJws(
      { alg: 'ES256', typ: 'JWT', ...kid, ...issued.header },
      ediClaims(issued),
      es256(signing.privateKey),
    )
  }

  const answer = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const provider = /^\/auth\/login\/(\w+)$/.exec(url.pathname)?.[1]
    if (url.pathname === '/jwks.json') {
      const jwks = published.map(({ kid, publicKey }) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid,
        alg: 'ES256',
        use: 'sig',
      }))
      sendJson(response, 200, { keys: jwks })
    } else if (url.pathname === '/auth/v1/key' && request.method === 'POST') {
      const claims = keys.get(await keyIn(request))
      if (claims === undefined) sendJson(response, 401, { method: 'get_token_by_key', msg: 'Unknown key' })
      else sendJson(response, 200, { method: 'get_token_by_key', 'edi-token': issue(claims) })
    } else if (provider !== undefined && PROVIDERS.includes(provider)) {
      const target = new URL(url.searchParams.get('target') ?? '')
      target.searchParams.set('edi_token', issue(person))
      target.searchParams.set('edi_id', String(ediClaims(person).sub))
      target.searchParams.set('common_name', 'Some Body')
      response.writeHead(302, { Location: target.href }).end()
    } else {
      response.writeHead(404).end()
    }
  }

  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://iam.invalid')
    counts.set(url.pathname, (counts.get(url.pathname) ?? 0) + 1)
    const isMoved = url.pathname.startsWith('/moved')
    if (isMoved) url.pathname = url.pathname.slice('/moved'.length)
    if (fault === undefined || fault === 'slow' || isMoved) {
      if (fault === 'slow') await sleep(SLOW_MILLISECONDS)
      await answer(request, response, url)
    } else {
      misbehave(fault, response, url)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A TCP port was expected.')
  const origin = `http://127.0.0.1:${address.port}`

  return {
    url: origin,
    jwksUrl: `${origin}/jwks.json`,
    publicKeyFile,
    env: { AUTH_PRESET: 'edi', AUTH_PUBLIC_KEY_FILE: publicKeyFile, AUTH_IAM_URL: origin },
    get privateKey() {
      return signing.privateKey
    },
    get publicKey() {
      return signing.publicKey
    },
    get kid() {
      return signing.kid
    },
    issue,
    makeKey(claims = {}) {
      const key = randomBytes(20).toString('base64url')
      keys.set(key, claims)
      return key
    },
    revokeKey(key) {
      keys.delete(key)
    },
    signsIn(claims) {
      person = claims
    },
    rotate({ keepsOld = false } = {}) {
      signing = newKey()
      published = keepsOld ? [signing, ...published] : [signing]
    },
    fail(next) {
      fault = next
    },
    recover() {
      fault = undefined
    },
    requests(pathname) {
      return counts.get(pathname) ?? 0
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function newKey(): SigningKey {
  return {
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    kid: randomBytes(8).toString('hex'),
  }
}

function misbehave(fault: Exclude<IamFault, 'slow'>, response: ServerResponse, url: URL): void {
  const json = { 'Content-Type': 'application/json' }
  switch (fault) {
    case '500':
      response.writeHead(500).end()
      break
    case 'redirect':
      // 307: a POST would be sent there again, with the key.
      response.writeHead(307, { Location: `/moved${url.pathname}${url.search}` }).end()
      break
    case 'garbage':
      response.writeHead(200, json).end('<html>Bad Gateway</html>')
      break
    case 'huge':
      response.writeHead(200, json).end(`{"keys":[],"edi-token":"${'a'.repeat(8 * 1024 ** 2)}"}`)
      break
    case 'cut':
      response.writeHead(200, { ...json, 'Content-Length': 1000 })
      response.write('{"keys":')
      setTimeout(() => response.destroy(), 50)
      break
    case 'hang':
      // Until the other side gives up, or `close`.
      break
  }
}

async function keyIn(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
  return typeof body === 'object' && body !== null && 'key' in body ? String(body.key) : ''
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
