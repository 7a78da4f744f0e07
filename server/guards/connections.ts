// How many connections one address may have at once: what else is refused costs a connection first.

import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { rawProblem } from '../client-error.js'
import { AppError } from '../errors.js'
import { endSocketLingering } from '../lingering-close.js'
import { networkOf, proxyCheck } from './address.js'

const RETRY_AFTER_SECONDS = 10
/** Refused connections of one address that may take their time to read why. */
const MOST_REFUSED = 16
const WARN_EVERY_MS = 60_000
/** Addresses of which it is remembered when they were told of. */
const MOST_WARNED = 1_000

export interface ConnectionsOptions {
  /** Undefined: none is refused. */
  maxConnectionsPerAddress: number | undefined
  /** Those bring other people's requests and are not counted; a number over 0 means that whoever connects is one. */
  trustProxy: number | readonly string[]
  log: Logger
}

interface Counts {
  open: number
  refused: number
}

export class Connections {
  readonly #most: number | undefined
  readonly #isProxy: (address: string | undefined) => boolean
  readonly #log: Logger
  readonly #countsOf = new Map<string, Counts>()
  readonly #warnedAtMs = new Map<string, number>()
  readonly #refused = new WeakSet<Socket>()

  constructor({ maxConnectionsPerAddress, trustProxy, log }: ConnectionsOptions) {
    this.#most = maxConnectionsPerAddress
    this.#isProxy = proxyCheck(trustProxy)
    this.#log = log
  }

  /** For `server.on('connection', …)`: counts it, or answers 429 and closes it. Those that are there live on. */
  readonly onConnection = (socket: Socket): void => {
    const { remoteAddress } = socket
    if (this.#most === undefined || this.#isProxy(remoteAddress)) return
    // Without an address it is gone already.
    const network = networkOf(remoteAddress)
    if (network === undefined) return
    const counts = this.#countsOf.get(network) ?? { open: 0, refused: 0 }
    this.#countsOf.set(network, counts)
    const kind = counts.open < this.#most ? 'open' : 'refused'
    counts[kind] += 1
    socket.once('close', () => {
      counts[kind] -= 1
      if (counts.open + counts.refused === 0) this.#countsOf.delete(network)
    })
    if (kind === 'refused') this.#refuse(socket, network, this.#most, counts.refused)
  }

  /** True for a socket that was refused: what it still asks must not be done. */
  hasRefused(socket: Socket): boolean {
    return this.#refused.has(socket)
  }

  #refuse(socket: Socket, network: string, most: number, refusedNow: number): void {
    this.#refused.add(socket)
    this.#warn(network, most)
    if (refusedNow > MOST_REFUSED) {
      socket.destroy()
      return
    }
    const detail = `There are ${most} connections from your address, and more are not taken. Close some, or send requests one after another on those that are open.`
    const error = new AppError('RATE_LIMITED', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS })
    endSocketLingering(socket, rawProblem(error))
  }

  #warn(network: string, most: number): void {
    const now = performance.now()
    if (now - (this.#warnedAtMs.get(network) ?? Number.NEGATIVE_INFINITY) < WARN_EVERY_MS) return
    this.#warnedAtMs.delete(network)
    this.#warnedAtMs.set(network, now)
    const [oldest] = this.#warnedAtMs.keys()
    if (this.#warnedAtMs.size > MOST_WARNED && oldest !== undefined) this.#warnedAtMs.delete(oldest)
    this.#log.warn({ address: network, connections: most }, 'more connections than one address may have')
  }
}
