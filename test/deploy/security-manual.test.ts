// The blocks of SECURITY.md, as they stand there: run, each.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { withConnection } from '../support/database.js'
import { findFreePort } from '../support/free-port.js'
import { startServer } from '../support/server.js'
import { describeNginx } from './describe-nginx.js'

const manual = readFileSync(new URL('../../../SECURITY.md', import.meta.url), 'utf8')

function block(name: string): string {
  const found = new RegExp(`<!-- ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(manual)?.[1]
  if (found === undefined) throw new Error(`SECURITY.md has no block ${name}.`)
  return found
}

test('The role of the manual is enough: the server migrates, takes a file and gives it back', async () => {
  const admin = String(process.env.TEST_DATABASE_URL)
  const name = `test_role_${process.pid}`
  const url = new URL(admin)
  Object.assign(url, { username: name, password: 'change me', pathname: `/${name}` })
  const statements = block('role')
    .replaceAll(/\bantipasto\b/g, name)
    .split(';\n')
  await withConnection(admin, async (client) => {
    for (const statement of statements) await client.query(statement)
  })
  try {
    const server = await startServer({
      env: { DATABASE_URL: url.href, RATE_LIMIT_KEY: '100/1m', RATE_LIMIT_STORE: 'postgres' },
    })
    try {
      const headers = { Authorization: `Bearer ${server.key}` }
      const stored = await fetch(`${server.url}/files?filename=a.txt`, {
        method: 'POST',
        headers,
        body: 'abc',
      })
      expect(stored.status).toBe(201)
      const { retrieval_url: retrievalUrl } = (await stored.json()) as { retrieval_url: string }
      expect(await (await fetch(retrievalUrl)).text()).toBe('abc')
      expect(server.logs()).not.toMatch(/"level":"(warn|error|fatal)"/)
    } finally {
      await server.dispose()
    }
    await withConnection(url.href, async (client) => {
      await expect(client.query('CREATE DATABASE more')).rejects.toThrow('permission denied')
    })
  } finally {
    await withConnection(admin, async (client) => {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await client.query(`DROP ROLE IF EXISTS ${name}`)
    })
  }
})

describeNginx('nginx as the manual says', () => {
  let folder = ''
  let child: ChildProcess
  let ports: { tls: number; plain: number }
  const backend = http.createServer((request, response) => response.end(`served ${request.url}`))

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-tls-'))
    backend.listen(0, '127.0.0.1')
    await once(backend, 'listening')
    ports = { tls: await findFreePort(), plain: await findFreePort() }
    const certificate = path.join(folder, 'certificate.pem')
    const key = path.join(folder, 'key.pem')
    const made = spawnSync(
      'openssl',
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=staging.example.org -out ${certificate} -keyout ${key}`.split(
        ' ',
      ),
      { encoding: 'utf8' },
    )
    expect({ status: made.status, said: made.status === 0 ? '' : made.stderr }).toEqual({
      status: 0,
      said: '',
    })
    const servers = block('nginx')
      .replace('listen 443 ssl', `listen 127.0.0.1:${ports.tls} ssl`)
      .replace('listen 80;', `listen 127.0.0.1:${ports.plain};`)
      .replace('127.0.0.1:8080', `127.0.0.1:${(backend.address() as AddressInfo).port}`)
      .replace('/etc/ssl/staging.example.org.pem', certificate)
      .replace('/etc/ssl/staging.example.org.key', key)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    )
    await writeFile(
      path.join(folder, 'nginx.conf'),
      `pid ${folder}/nginx.pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n${temporary.join('\n')}\n${servers}}\n`,
    )
    // Nobody, on Debian: what root has made here is handed over.
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    if (user.uid !== undefined) {
      for (const name of ['', ...(await readdir(folder))])
        await chown(path.join(folder, name), user.uid, user.gid)
    }
    const program =
      ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find((one) => spawnSync(one, ['-v']).status === 0) ??
      'nginx'
    child = spawn(
      program,
      ['-c', path.join(folder, 'nginx.conf'), '-p', folder, '-e', 'stderr', '-g', 'daemon off;'],
      {
        ...user,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    let log = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
    const deadline = performance.now() + 60_000
    while ((await ask('http', '/').catch(() => undefined)) === undefined) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`nginx has not started:\n${log}`)
      await sleep(20)
    }
  })

  afterAll(async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM')
      await once(child, 'close')
    }
    backend.close()
    await rm(folder, { recursive: true, force: true })
  })

  test('speaks TLS', async () => {
    expect(await ask('https', '/uploads')).toMatchObject({
      status: 200,
      body: 'served /uploads',
      protocol: 'TLSv1.3',
    })
  })

  test('redirects the page alone: what a program sends without TLS fails, so that it is noticed', async () => {
    expect(await ask('http', '/')).toMatchObject({ status: 301, location: 'https://staging.example.org/' })
    for (const target of ['/uploads', '/files?filename=x', '/r/token/name', '/docs']) {
      expect(await ask('http', target)).toMatchObject({ status: 403, location: undefined })
    }
  })

  function ask(scheme: 'http' | 'https', target: string) {
    const port = scheme === 'https' ? ports.tls : ports.plain
    const options = {
      host: '127.0.0.1',
      port,
      path: target,
      headers: { Host: 'staging.example.org' },
      agent: false,
    }
    return new Promise<{
      status: number | undefined
      location: string | undefined
      body: string
      protocol: string | null
    }>((resolve, reject) => {
      const request =
        scheme === 'https' ? https.get({ ...options, rejectUnauthorized: false }) : http.get(options)
      request.once('error', reject)
      request.once('response', (response) => {
        const { socket } = response
        const protocol =
          'getProtocol' in socket && typeof socket.getProtocol === 'function'
            ? String(socket.getProtocol())
            : null
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => {
          body += text
        })
        response.once('end', () =>
          resolve({ status: response.statusCode, location: response.headers.location, body, protocol }),
        )
      })
    })
  }
})
