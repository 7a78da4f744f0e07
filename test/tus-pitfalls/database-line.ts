// The wire between a server and its database, which a test can cut and mend.

import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'

export interface DatabaseLine {
  /** `databaseUrl` by way of the line. */
  readonly databaseUrl: string
  /** Ends every connection, and refuses new ones. */
  cut(): Promise<void>
  mend(): Promise<void>
}

export async function openDatabaseLine(databaseUrl: string): Promise<DatabaseLine> {
  const target = new URL(databaseUrl)
  const sockets = new Set<net.Socket>()
  const listener = net.createServer((near) => {
    const far = net.connect({ host: target.hostname, port: Number(target.port) })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket
        .on('error', () => {})
        .once('close', () => {
          sockets.delete(socket)
          near.destroy()
          far.destroy()
        })
    }
    near.pipe(far).pipe(near)
  })
  let port = 0
  const mend = async () => {
    listener.listen(port, '127.0.0.1')
    await once(listener, 'listening')
    port = (listener.address() as AddressInfo).port
  }
  await mend()
  const line = new URL(databaseUrl)
  line.hostname = '127.0.0.1'
  line.port = String(port)
  return {
    databaseUrl: line.href,
    mend,
    async cut() {
      const closed = once(listener, 'close')
      listener.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
