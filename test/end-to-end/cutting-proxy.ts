// A TCP proxy that misbehaves on command: the network between a client and the server, as users have it.

import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { resetConnection } from './reset.js'

/**
 * A reset, as a crashed router or a closed laptop leaves it, may take with it what the other end hasn't read yet; after a
 * close everything that was passed arrives.
 */
export type Manner = 'reset' | 'close'

export interface CuttingProxy {
  /** `http://127.0.0.1:PORT`; what the server should call its PUBLIC_URL, so that clients come back this way. */
  readonly url: string
  /** Where connections go from now on. */
  forwardTo(serverUrl: string): void
  /** When exactly `bytes` more have gone to the server, passes no more; resolves then. */
  stallAfter(bytes: number): Promise<void>
  /** When exactly `bytes` more have gone to the server, breaks every connection; resolves then. */
  cutAfter(bytes: number, manner?: Manner): Promise<void>
  /** Breaks every connection now, at both ends. */
  cut(manner?: Manner): void
  /** Lets stalled connections go on, and forgets a limit that hasn't been reached. */
  goOn(): void
  /** Waits so long before it passes each piece to the server. */
  delay(milliseconds: number): void
  close(): Promise<void>
}

/** Sees what passes on one connection, and changes nothing. */
export interface ConnectionWatch {
  /** Just before they are passed on. */
  toServer(bytes: Buffer): void
  toClient(bytes: Buffer): void
}

interface Limit {
  leftBytes: number
  reached: () => void
}

/** @param watch called for each connection, to have a watch for it */
export async function startCuttingProxy(watch?: () => ConnectionWatch): Promise<CuttingProxy> {
  const pairs = new Set<[net.Socket, net.Socket]>()
  const stalled = new Set<() => void>()
  let target = { host: '127.0.0.1', port: 0 }
  let limit: Limit | null = null
  let isStalled = false
  let delayMs = 0

  const server = net.createServer({ noDelay: true }, (client) => {
    const upstream = net.connect({ ...target, noDelay: true })
    const pair: [net.Socket, net.Socket] = [client, upstream]
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    // A dead server is a dead connection for the client, and the other way round.
    for (const socket of pair) socket.on('error', end).on('close', end)
    const watched = watch?.()
    if (watched !== undefined) upstream.on('data', (bytes) => watched.toClient(bytes))
    upstream.pipe(client)
    void pump(client, upstream, watched).catch(end)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo

  async function pump(client: net.Socket, upstream: net.Socket, watched?: ConnectionWatch): Promise<void> {
    for await (const chunk of client) await pass(chunk, upstream, watched)
    upstream.end()
  }

  async function pass(chunk: Buffer, upstream: net.Socket, watched?: ConnectionWatch): Promise<void> {
    if (delayMs > 0) await sleep(delayMs)
    if (isStalled) await new Promise<void>((resolve) => stalled.add(resolve))
    if (limit === null || chunk.byteLength < limit.leftBytes) {
      if (limit !== null) limit.leftBytes -= chunk.byteLength
      await write(upstream, chunk, watched)
      return
    }
    const { leftBytes, reached } = limit
    limit = null
    await write(upstream, chunk.subarray(0, leftBytes), watched)
    reached()
    if (leftBytes < chunk.byteLength) await pass(chunk.subarray(leftBytes), upstream, watched)
  }

  function limitTo(bytes: number, act: () => void): Promise<void> {
    return new Promise((resolve) => {
      limit = {
        leftBytes: bytes,
        reached: () => {
          act()
          resolve()
        },
      }
    })
  }

  function cut(manner: Manner = 'reset'): void {
    for (const socket of [...pairs].flat()) {
      if (manner === 'reset') resetConnection(socket)
      else socket.destroy()
    }
  }

  function goOn(): void {
    isStalled = false
    limit = null
    for (const resume of stalled) resume()
    stalled.clear()
  }

  return {
    url: `http://127.0.0.1:${port}`,
    forwardTo(serverUrl) {
      const { hostname, port: serverPort } = new URL(serverUrl)
      target = { host: hostname, port: Number(serverPort) }
    },
    stallAfter: (bytes) =>
      limitTo(bytes, () => {
        isStalled = true
      }),
    cutAfter: (bytes, manner) => limitTo(bytes, () => cut(manner)),
    cut,
    goOn,
    delay(milliseconds) {
      delayMs = milliseconds
    },
    async close() {
      server.close()
      cut()
      goOn()
      await once(server, 'close')
    },
  }
}

function write(socket: net.Socket, bytes: Buffer, watched?: ConnectionWatch): Promise<void> {
  // After a cut the rest of a piece goes nowhere.
  if (!socket.destroyed) watched?.toServer(bytes)
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}
