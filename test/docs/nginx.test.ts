// The site of docs/nginx.md as it stands there, in front of real instances: TLS, HTTP/2, uploads that stream and break.

import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import http2 from 'node:http2'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readCompose } from '../deploy/compose-file.js'
import { describeNginx } from '../deploy/describe-nginx.js'
import { type Nginx, originAt, startNginxWith } from '../deploy/nginx.js'
import { bytesFrom } from '../end-to-end/evidence.js'
import { findFreePort } from '../support/free-port.js'
import { startServer, type TestServer } from '../support/server.js'
import { markedBlock, shellBlocksOf } from './shell-blocks.js'

const PAGE = 'docs/nginx.md'
const HOST = 'staging.example.org'
const MIB = 1024 * 1024
const site = markedBlock(PAGE, 'site')

/** Each directive with its value on a line of its own, without comments. */
const directivesOf = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.endsWith(';') && !line.startsWith('#'))

test('the site has every line of docker-compose.yml’s server, which docs and tests speak of', () => {
  const compose = readCompose().configs['nginx.conf']?.content ?? ''
  const inHttp = directivesOf(compose.slice(compose.indexOf('upstream antipasto')))
  const wanted = inHttp.filter((line) => !/^(listen|server app)/.test(line))
  expect(wanted.length).toBeGreaterThan(20)
  expect(wanted.filter((line) => !directivesOf(site).includes(line))).toEqual([])
})

test('the table explains lines that are there', async () => {
  const page = await readFile(new URL(`../../../${PAGE}`, import.meta.url), 'utf8')
  const section = page.split('## Why each line')[1]?.split('\n## ')[0] ?? ''
  const named = [...section.matchAll(/^\| (`.+?`) .*?\|/gm)].flatMap(([row]) =>
    [...String(row.split(' | ')[0]).matchAll(/`([^`]+)`/g)].map(([, name]) => String(name)),
  )
  expect(named.length).toBeGreaterThan(12)
  const missing = named.filter((name) => name.split('…').some((part) => !site.includes(part)))
  expect(missing).toEqual([])
})

describeNginx('nginx with the site of docs/nginx.md', () => {
  let server: TestServer
  let nginx: Nginx
  let ports: { tls: number; plain: number }
  let certificates: string
  let ca: Buffer

  beforeAll(async () => {
    ports = { tls: await findFreePort(), plain: await findFreePort() }
    certificates = await mkdtemp(path.join(tmpdir(), 'antipasto-certificates-'))
    await chmod(certificates, 0o755)
    const files = { certificate: path.join(certificates, 'a.pem'), key: path.join(certificates, 'a.key') }
    const command = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=${HOST} -addext subjectAltName=DNS:${HOST} -out ${files.certificate} -keyout ${files.key}`
    expect(spawnSync('openssl', command.split(' ')).status).toBe(0)
    // nginx runs as nobody here.
    await chmod(files.key, 0o644)
    ca = await readFile(files.certificate)
    server = await startServer({ env: { PUBLIC_URL: `https://${HOST}`, TRUST_PROXY: '1' } })
    const dead = new URL(originAt(await findFreePort())).host
    nginx = await startNginxWith(ports.tls, (folder) => {
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${folder}/${name};`)
        .join('\n')
      const here = listeningHere()
        .replace('127.0.0.1:8080', new URL(server.url).host)
        .replace('127.0.0.1:8081', dead)
        .replace(`/etc/ssl/${HOST}.pem`, files.certificate)
        .replace(`/etc/ssl/${HOST}.key`, files.key)
      return `pid ${folder}/nginx.pid;\nerror_log stderr warn;\nevents {}\nhttp {\n${temporary}\n${here}}\n`
    })
  })
  afterAll(async () => {
    await nginx?.dispose()
    await server?.dispose()
    await rm(certificates, { recursive: true, force: true })
  })

  /** With this test's ports, and HTTP/2 as this nginx wants it said: the page tells of both ways. */
  function listeningHere(): string {
    const version = /nginx\/(\d+)\.(\d+)\.(\d+)/.exec(spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr)
    const [major = 0, minor = 0, patch = 0] = version?.slice(1).map(Number) ?? []
    const isOld = major * 1e6 + minor * 1e3 + patch < 1_025_001
    const listen = `listen 127.0.0.1:${ports.tls} ssl`
    return site
      .replace('listen 443 ssl;', isOld ? `${listen} http2;` : `${listen};`)
      .replace('  http2 on;\n', isOld ? '' : '  http2 on;\n')
      .replace('listen 80;', `listen 127.0.0.1:${ports.plain};`)
  }

  test('the page’s own check says HTTP/2 and ready', async () => {
    const block = shellBlocksOf(PAGE).find(({ marker }) => marker?.startsWith('run by'))
    const curlrc = `connect-to = ${HOST}:443:127.0.0.1:${ports.tls}\ncacert = ${certificates}/a.pem\n`
    await writeFile(path.join(certificates, '.curlrc'), curlrc)
    const env = { PATH: process.env.PATH, CURL_HOME: certificates }
    const { stdout } = await promisify(execFile)('sh', ['-c', String(block?.code)], { env })
    expect(stdout).toBe('2 200\n')
  })

  describe('by HTTP/2', () => {
    const source = bytesFrom(3, 24 * MIB)

    async function connected<T>(work: (session: http2.ClientHttp2Session) => Promise<T>): Promise<T> {
      const session = http2.connect(`https://${HOST}:${ports.tls}`, {
        ca,
        servername: HOST,
        createConnection: undefined,
        lookup: (_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
      } as http2.SecureClientSessionOptions)
      session.on('error', () => {})
      try {
        return await work(session)
      } finally {
        session.destroy()
      }
    }

    const start = (session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders) =>
      session.request(
        {
          ':authority': HOST,
          authorization: `Bearer ${server.key}`,
          'tus-resumable': '1.0.0',
          ...headers,
        },
        // As browsers do: else nginx passes a body of unknown length on.
        { endStream: headers[':method'] !== 'PATCH' },
      )

    async function answerOf(stream: http2.ClientHttp2Stream) {
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk)
      return { headers, body: Buffer.concat(chunks) }
    }

    test('an upload that breaks has kept what came, goes on, and comes back whole; nothing waits in a file', async () => {
      const location = await connected(async (session) => {
        const created = start(session, {
          ':method': 'POST',
          ':path': '/uploads',
          'upload-length': source.length,
        })
        const { headers } = await answerOf(created)
        expect(headers[':status']).toBe(201)
        return String(headers.location)
      })
      expect(location).toMatch(`https://${HOST}/uploads/`)
      const target = new URL(location).pathname
      const patch = {
        ':method': 'PATCH',
        ':path': target,
        'content-type': 'application/offset+octet-stream',
      }
      await connected(async (session) => {
        const half = start(session, { ...patch, 'upload-offset': 0 })
        half.on('error', () => {})
        for (let offset = 0; offset < 16 * MIB; offset += MIB) {
          await new Promise((resolve) => half.write(source.subarray(offset, offset + MIB), resolve))
        }
        expect(await nginx.spooled()).toEqual([])
      })
      const { offset, whole } = await connected(async (session) => {
        const head = start(session, { ':method': 'HEAD', ':path': target })
        const [found] = (await once(head, 'response')) as [http2.IncomingHttpHeaders]
        const offset = Number(found['upload-offset'])
        const rest = start(session, { ...patch, 'upload-offset': offset })
        rest.end(source.subarray(offset))
        expect((await answerOf(rest)).headers[':status']).toBe(204)
        const report = await answerOf(start(session, { ':path': target, accept: 'application/json' }))
        const url = new URL(JSON.parse(report.body.toString()).retrieval_url)
        expect(url.origin).toBe(`https://${HOST}`)
        return { offset, whole: await answerOf(start(session, { ':path': url.pathname })) }
      })
      expect(offset).toBeGreaterThan(8 * MIB)
      expect(offset).toBeLessThanOrEqual(16 * MIB)
      const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
      expect(digest(whole.body)).toBe(digest(source))
      expect(await nginx.spooled()).toEqual([])
    })

    test('figures are not for the world', async () => {
      const { headers } = await connected((session) => answerOf(start(session, { ':path': '/metrics' })))
      expect(headers[':status']).toBe(404)
      expect(headers['content-type']).toContain('text/html')
    })
  })

  test('without TLS only the page is redirected: a program notices', async () => {
    const plain = (target: string) =>
      new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
        const options = { port: ports.plain, path: target, headers: { Host: HOST }, agent: false }
        http
          .get({ host: '127.0.0.1', ...options }, (answer) => {
            answer.resume()
            resolve([answer.statusCode, answer.headers.location])
          })
          .once('error', reject)
      })
    expect(await plain('/')).toEqual([301, `https://${HOST}/`])
    expect(await plain('/uploads')).toEqual([403, undefined])
  })

  test('while no instance lives, HEAD is 423 and all else 503, as a problem', async () => {
    await server.kill()
    const asked = async (...more: string[]) => {
      const url = `https://${HOST}:${ports.tls}/uploads/0123`
      const args = [
        '-sS',
        '--cacert',
        `${certificates}/a.pem`,
        '--connect-to',
        `${HOST}:${ports.tls}:127.0.0.1:${ports.tls}`,
      ]
      const { stdout } = await promisify(execFile)('curl', [...args, '-w', '\n%{http_code}', ...more, url])
      return stdout
    }
    expect(await asked('--head')).toMatch(/\n423$/)
    expect(await asked()).toMatch(/"code":"UNAVAILABLE".*\n503$/)
  })
})
