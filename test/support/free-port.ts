import { once } from 'node:events'
import net from 'node:net'

/** A port on 127.0.0.1 at which nobody listens, now. */
export async function findFreePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('A TCP port was expected.')
  return address.port
}
