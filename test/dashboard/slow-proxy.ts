// A line between browser and server that is slow, and breaks when it is told to.

import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface SlowProxy {
  /** `http://127.0.0.1:PORT`: what the server calls itself, and the browser opens. */
  readonly url: string
  /** Where connections made from now on lead. */
  leadTo(serverUrl: string): void
  /** What each connection may send to the server per second; Infinity is no limit. */
  setRate(bytesPerSecond: number): void
  /** Ends every connection without a word. */
  cut(): void
  close(): Promise<void>
}

export async function startSlowProxy(): Promise<SlowProxy> {
  const sockets = new Set<Socket>()
  let target = new URL('http://127.0.0.1:9')
  let rate = Number.POSITIVE_INFINITY

  const server = net.createServer((client) => {
    const upstream = net.connect(Number(target.port), target.hostname)
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    upstream.pipe(client)
    client.on('data', async (chunk: Buffer) => {
      client.pause()
      upstream.write(chunk)
      await sleep((chunk.length / rate) * 1_000)
      client.resume()
    })
    client.on('end', () => upstream.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    leadTo(serverUrl) {
      target = new URL(serverUrl)
    },
    setRate(bytesPerSecond) {
      rate = bytesPerSecond
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
