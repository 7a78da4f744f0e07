// What a client may meet in the place of the server: any handler, over HTTP or TLS with a certificate nobody trusts.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

export interface OddServer {
  readonly url: string
  /** What was asked of it: "GET /me". */
  readonly requests: string[]
  close(): Promise<void>
}

export async function startOddServer(handler: RequestListener): Promise<OddServer> {
  return listen(http.createServer(), 'http', handler)
}

/** By openssl, which every machine that runs these tests has for its Node. */
export async function startSelfSignedServer(handler: RequestListener): Promise<OddServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-tls-'))
  try {
    const [keyFile, certificateFile] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    const files = ['-keyout', keyFile, '-out', certificateFile]
    const options = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    await promisify(execFile)('openssl', ['req', ...options, ...subject, ...files])
    const [key, cert] = await Promise.all([readFile(keyFile), readFile(certificateFile)])
    return await listen(https.createServer({ key, cert }), 'https', handler)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function listen(
  server: http.Server | https.Server,
  protocol: string,
  handler: RequestListener,
): Promise<OddServer> {
  const requests: string[] = []
  server.on('request', (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    handler(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

export function sendJson(response: http.ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
