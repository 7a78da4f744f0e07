// Bytes in and out, by the sockets' own account: nothing is added to the way of a byte, and an upload of a day is seen while it
// runs.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Families } from './registry.js'

/** Counts the connections of every server that it is given. */
export function observeConnections(families: Families): (server: Server) => void {
  const open = new Set<Socket>()
  let closedReceivedBytes = 0
  let closedSentBytes = 0

  families.countedElsewhere(
    { name: 'http_received_bytes_total', help: 'Bytes that came in by HTTP connections, headers included.' },
    () => [{ value: sum(open, 'bytesRead') + closedReceivedBytes }],
  )
  families.countedElsewhere(
    { name: 'http_sent_bytes_total', help: 'Bytes that went out by HTTP connections, headers included.' },
    () => [{ value: sum(open, 'bytesWritten') + closedSentBytes }],
  )
  families.readOnScrape({ name: 'http_connections', help: 'Open HTTP connections.' }, () => [
    { value: open.size },
  ])

  return (server) => {
    server.on('connection', (socket: Socket) => {
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        closedReceivedBytes += socket.bytesRead
        closedSentBytes += socket.bytesWritten
      })
    })
  }
}

function sum(sockets: ReadonlySet<Socket>, of: 'bytesRead' | 'bytesWritten'): number {
  let bytes = 0
  for (const socket of sockets) bytes += socket[of]
  return bytes
}
