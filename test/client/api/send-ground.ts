// What tests of sending have in common: local files, a network of their own, and one way to ask what arrived.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Connection } from '../../../client/api/connection.js'
import { fixedCredential } from '../../../client/api/credentials.js'
import { type Network, openNetwork } from '../../../client/api/node/dispatcher.js'
import type { Report } from '../../../server/uploads/report.js'
import { type CuttingProxy, startCuttingProxy } from '../../end-to-end/cutting-proxy.js'
import { startServer, type TestServer, type TestServerOptions } from '../../support/server.js'
import { Traffic } from '../end-to-end/traffic.js'

export interface SendGround {
  readonly server: TestServer
  readonly network: Network
  /** To the server, or to what stands before it. */
  connection(url?: string): Connection
  /** A file with these bytes; its path. */
  file(bytes: Uint8Array, name?: string): Promise<string>
  report(uploadUrl: string): Promise<Report>
  /** Of all uploads that the server knows. */
  reports(): Promise<Report[]>
  dispose(): Promise<void>
}

/** One with a proxy before its server, which cuts, and tells what went through. */
export interface MeteredGround extends SendGround {
  readonly proxy: CuttingProxy
  readonly traffic: Traffic
}

export async function newMeteredGround(options: TestServerOptions = {}): Promise<MeteredGround> {
  const ground = await newSendGround(options)
  const traffic = new Traffic()
  const proxy = await startCuttingProxy(traffic.watchConnection)
  proxy.forwardTo(ground.server.url)
  return {
    ...ground,
    proxy,
    traffic,
    async dispose() {
      await proxy.close()
      await ground.dispose()
    },
  }
}

export async function newSendGround(options: TestServerOptions = {}): Promise<SendGround> {
  const server = await startServer(options)
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-send-'))
  const network = openNetwork({ stallSeconds: 2 })
  let files = 0
  async function ask<Answer>(target: string): Promise<Answer> {
    const answer = await fetch(`${server.url}${target}`, {
      headers: { authorization: `Bearer ${server.key}` },
    })
    if (!answer.ok) throw new Error(`${target} answered ${answer.status}`)
    return (await answer.json()) as Answer
  }
  return {
    server,
    network,
    connection: (url = server.url) =>
      new Connection({ url, credentials: fixedCredential(server.key), fetch: network.fetch }),
    async file(bytes, name) {
      files += 1
      const file = path.join(folder, name ?? `file-${files}`)
      await writeFile(file, bytes)
      return file
    },
    report: (uploadUrl) => ask<Report>(`/uploads/${uploadUrl.split('/').at(-1)}`),
    reports: async () => (await ask<{ items: Report[] }>('/uploads?limit=500')).items,
    async dispose() {
      await network.close()
      await server.dispose()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
