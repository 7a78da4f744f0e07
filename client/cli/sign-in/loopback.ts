// A server on this computer that waits for one visit: the browser that comes back from the sign-in with a token.
//
// RFC 8252 §7.3: only 127.0.0.1, a port that the system chooses. The path can't be guessed, so that no page that is open in
// the same browser can bring a token of somebody else's.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { sleep } from '../../api/sleep.js'
import { CommandFailed } from '../exit-code.js'
import { isToken } from './iam-url.js'
import { loopbackPage, PAGE_HEADERS } from './loopback-page.js'

export interface Loopback {
  /** Where the browser is to come back to. */
  readonly url: string
  /** The token that the browser brings. @throws CommandFailed when it brings none, or doesn't come; the signal's reason */
  token(patienceMs: number, signal: AbortSignal): Promise<string>
  close(): void
}

/** How long the browser may take to ask for the page that says it can be closed. */
const LAST_PAGE_MS = 1_000

export async function openLoopback(): Promise<Loopback> {
  const path = `/${randomBytes(32).toString('base64url')}`
  const donePath = `/${randomBytes(32).toString('base64url')}`
  let origin = ''
  let wasVisited = false
  const { promise: visit, resolve: visited } = deferred<string | null>()
  const { promise: lastPage, resolve: sentLastPage } = deferred<void>()

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    // DNS rebinding: a page elsewhere whose name leads here comes with its own name.
    const isOurs = request.method === 'GET' && request.headers.host === new URL(origin).host
    const url = new URL(isOurs ? (request.url ?? '/') : '/', origin)
    if (isOurs && url.pathname === path && !wasVisited) {
      wasVisited = true
      const tokens = url.searchParams.getAll('edi_token')
      const token = tokens.length === 1 && isToken(tokens[0] ?? '') ? (tokens[0] ?? null) : null
      // Elsewhere at once: so the token isn't in the address bar, nor the history.
      const to = token === null ? `${donePath}?refused` : donePath
      response.writeHead(303, { ...PAGE_HEADERS, Location: to }).end()
      visited(token)
    } else if (isOurs && url.pathname === donePath && wasVisited) {
      const page = loopbackPage(url.search === '?refused' ? 'refused' : 'done')
      response.writeHead(200, PAGE_HEADERS).end(page, () => sentLastPage())
    } else {
      response.writeHead(404, PAGE_HEADERS).end()
    }
  }

  const server = http.createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 10_000 }, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A TCP port was expected.')
  origin = `http://127.0.0.1:${address.port}`

  return {
    url: `${origin}${path}`,
    async token(patienceMs, signal) {
      const waiting = new AbortController()
      const stop = () => waiting.abort(signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      try {
        signal.throwIfAborted()
        const token = await Promise.race([visit, sleep(patienceMs, waiting.signal).then(() => undefined)])
        if (token === undefined) throw nobodyCame(patienceMs)
        await Promise.race([lastPage, sleep(LAST_PAGE_MS, waiting.signal)])
        if (token !== null) return token
        throw new CommandFailed('The browser came back without a token: the sign-in did not succeed.', {
          hint: 'Run `antipasto login` again, or choose another --provider.',
        })
      } finally {
        signal.removeEventListener('abort', stop)
        waiting.abort()
      }
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function nobodyCame(patienceMs: number): CommandFailed {
  return new CommandFailed(`Nobody has signed in for ${Math.round(patienceMs / 60_000)} minutes.`, {
    hint: 'Run `antipasto login` again; or, where there is no browser, sign in with a key: `antipasto login --key-stdin`.',
  })
}

interface Deferred<Value> {
  promise: Promise<Value>
  resolve: (value: Value) => void
}

// Promise.withResolvers came with Node 22.
function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => {}
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
