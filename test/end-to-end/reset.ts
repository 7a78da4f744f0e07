import type { Socket } from 'node:net'

/**
 * Breaks a connection with a reset, as a crashed router or a closed laptop does.
 *
 * One that is being ended already is only destroyed: libuv refuses to reset it, Node takes no notice of that (20.20), and
 * the handle that is never closed keeps the whole process from exiting.
 */
export function resetConnection(socket: Socket): void {
  if (socket.writableEnded || socket.destroyed) socket.destroy()
  else socket.resetAndDestroy()
}
