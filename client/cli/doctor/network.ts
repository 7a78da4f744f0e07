// What `doctor` looks at between here and the server: the name, the connection, the certificate.

import { lookup } from 'node:dns/promises'
import net from 'node:net'
import tls from 'node:tls'
import { connectionFailed } from '../../api/connection-words.js'
import { type Check, fail, ok, warn } from './check.js'

const PATIENCE_MS = 10_000
const DAY_MS = 86_400_000
/** Let's Encrypt renews 30 days before the end: with less than that something has been forgotten. */
const SOON_DAYS = 14

export async function nameCheck(url: URL): Promise<Check> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (net.isIP(host) !== 0) return ok('name', `${host} is an address`)
  try {
    const addresses = await lookup(host, { all: true })
    return ok('name', `${host} is ${addresses.map(({ address }) => address).join(', ')}`)
  } catch (error) {
    return fail('name', connectionFailed(error, url).message, null)
  }
}

/** One for TCP, and for https one for the certificate. */
export async function connectionChecks(url: URL, now: Date): Promise<Check[]> {
  const isTls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const port = Number(url.port || (isTls ? 443 : 80))
  const startedAt = performance.now()
  let socket: net.Socket
  try {
    socket = await opened(net.connect({ host, port }), 'connect')
  } catch (error) {
    return [fail('connection', connectionFailed(error, url).message, null)]
  }
  const took = `${Math.round(performance.now() - startedAt)} ms`
  const connected = ok('connection', `${socket.remoteAddress} port ${port}, in ${took}`)
  if (!isTls) {
    socket.destroy()
    const isHere = ['127.0.0.1', '::1', 'localhost'].includes(host)
    if (isHere) return [connected]
    const advice = "Use the server's https URL: with http, keys and files can be read on the way."
    return [connected, warn('encryption', 'none: the URL begins with http://', advice)]
  }
  try {
    const servername = net.isIP(host) === 0 ? { servername: host } : {}
    const secure = await opened(tls.connect({ socket, host, ...servername }), 'secureConnect')
    return [connected, certificateCheck(secure.getPeerCertificate(), secure.getProtocol() ?? 'TLS', now)]
  } catch (error) {
    return [connected, fail('encryption', connectionFailed(error, url).message, null)]
  } finally {
    socket.destroy()
  }
}

export function certificateCheck(
  { valid_to: validTo, issuer }: Pick<tls.PeerCertificate, 'valid_to' | 'issuer'>,
  protocol: string,
  now: Date,
): Check {
  const days = Math.floor((new Date(validTo).getTime() - now.getTime()) / DAY_MS)
  const from = issuer?.O ?? issuer?.CN ?? 'an unnamed issuer'
  const detail = `${protocol}, a certificate of ${from} for ${days} more days`
  if (days >= SOON_DAYS) return ok('encryption', detail)
  return warn(
    'encryption',
    detail,
    'Tell the people who run the server that its certificate is about to end.',
  )
}

function opened<Socket extends net.Socket>(
  socket: Socket,
  event: 'connect' | 'secureConnect',
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const give = (error: Error) => {
      socket.destroy()
      reject(error)
    }
    socket.setTimeout(PATIENCE_MS, () => give(Object.assign(new Error('No answer.'), { code: 'ETIMEDOUT' })))
    socket.once('error', give)
    socket.once(event, () => {
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}
