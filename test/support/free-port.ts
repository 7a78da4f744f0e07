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

/**
 * A port for a daemon that is started and killed while others connect to it. Below those from which the kernel takes
 * the near end of a connection: from there another test might take the port of a killed gateway, or a client that tries
 * again and again might get connected to itself.
 */
export async function findLastingPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = net.createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}
