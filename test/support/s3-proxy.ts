// A proxy in front of the real S3 server that makes chosen requests go wrong, and counts them all. It never answers for S3
// what S3 hasn't said, but errors.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Exchange, type Meter } from './s3-exchange.js'
import { type Action, forwards, hangs } from './s3-faults.js'
import { type Operation, type S3Request, s3RequestOf } from './s3-operation.js'

export interface Match {
  readonly operation: Operation | 'any'
  /** The so-and-so-manieth of those that match otherwise, counted from 1 since the rule was made. */
  readonly nth: number | 'every'
  /** In the object's key, an upload's id for instance. */
  readonly key?: string
  readonly partNumber?: number
}

export interface Held {
  /** A request has come that far. */
  readonly reached: Promise<void>
}

export interface HeldAnswer extends Held {
  /** Lets the answer go; one that isn't there yet won't be held. */
  release(): void
}

export interface S3Proxy {
  /** `http://127.0.0.1:PORT`: the endpoint for clients, who sign for it. */
  readonly url: string
  /** What happens to requests that match, until the answered function is called. Of several rules the oldest counts. */
  on(match: Match, action: Action): () => void
  /** Breaks every connection of clients; new ones can be made. */
  cut(): void
  /** S3 does it at once; its answer waits. */
  hold(match: Match): HeldAnswer
  /** Never answered, and S3 never hears of it; `reached` when the request is here as a whole. */
  hang(match: Match): Held
  /** How many requests came since the start or the last `reset`; those that never came have no field. */
  counts(): Partial<Record<Operation, number>>
  /** Of requests' bodies, since then. */
  bytesSent(): number
  /** Of answers' bodies, since then. */
  bytesReceived(): number
  /** Of requests' headers since then: lowercase, each once, sorted. */
  headerNames(): string[]
  /** Forgets rules and counts, and lets go what is held. What hangs does so until its client hangs up. */
  reset(): void
  /** Cuts everything. */
  close(): Promise<void>
}

/** @param endpoint the real server's, over http */
export async function startS3Proxy(endpoint: string): Promise<S3Proxy> {
  let rules: Rule[] = []
  let counts: Partial<Record<Operation, number>> = {}
  let headerNames = new Set<string>()
  let meter: Meter = { sentBytes: 0, receivedBytes: 0 }
  let letGo = deferred()

  const server = http.createServer((request, response) => void pass(request, response))
  // Without it Node would tell the client to go on, in the server's stead.
  server.on('checkContinue', (request, response) => void pass(request, response))
  // Bodies may come slowly, and connections rest as long as the client likes.
  Object.assign(server, { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  async function pass(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const exchange = new Exchange(request, response, { endpoint: new URL(endpoint), meter })
    const action = choose(request)
    await Promise.race([action(exchange), exchange.gone]).catch(() => exchange.cut())
  }

  function choose(request: http.IncomingMessage): Action {
    const asked = s3RequestOf(
      request.method ?? '',
      request.url ?? '',
      request.headers['x-amz-copy-source'] !== undefined,
    )
    counts[asked.operation] = (counts[asked.operation] ?? 0) + 1
    for (const name of Object.keys(request.headers)) headerNames.add(name)
    // Every rule sees every request: "the third" means the third that came.
    const [rule] = rules.filter((each) => each.takes(asked))
    return rule?.action ?? forwards
  }

  function on(match: Match, action: Action): () => void {
    const rule = new Rule(match, action)
    rules.push(rule)
    return () => {
      rules = rules.filter((each) => each !== rule)
    }
  }

  return {
    url: `http://127.0.0.1:${port}`,
    on,
    cut: () => server.closeAllConnections(),
    hold(match) {
      const reached = deferred()
      const released = deferred()
      const { promise: reset } = letGo
      on(match, async (exchange) => {
        const answer = await exchange.forward()
        reached.resolve()
        await Promise.race([released.promise, reset])
        await exchange.answer(answer)
      })
      return { reached: reached.promise, release: released.resolve }
    },
    hang(match) {
      const reached = deferred()
      on(match, async (exchange) => {
        await exchange.swallow()
        reached.resolve()
        await hangs(exchange)
      })
      return { reached: reached.promise }
    },
    counts: () => ({ ...counts }),
    bytesSent: () => meter.sentBytes,
    bytesReceived: () => meter.receivedBytes,
    headerNames: () => [...headerNames].sort(),
    reset() {
      rules = []
      counts = {}
      headerNames = new Set()
      meter = { sentBytes: 0, receivedBytes: 0 }
      letGo.resolve()
      letGo = deferred()
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

class Rule {
  readonly action: Action
  readonly #match: Match
  #seen = 0

  constructor(match: Match, action: Action) {
    this.#match = match
    this.action = action
  }

  /** To be asked once for each request. */
  takes({ operation, key, partNumber }: S3Request): boolean {
    const wanted = this.#match
    if (wanted.operation !== 'any' && wanted.operation !== operation) return false
    if (wanted.key !== undefined && !key.includes(wanted.key)) return false
    if (wanted.partNumber !== undefined && wanted.partNumber !== partNumber) return false
    this.#seen += 1
    return wanted.nth === 'every' || wanted.nth === this.#seen
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil
  })
  return { promise, resolve }
}
