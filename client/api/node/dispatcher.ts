// The way to the network that all requests of a program share: its connections, its proxy, its patience with silence.

import type { HttpStack } from 'tus-js-client'
import { type Dispatcher, EnvHttpProxyAgent, fetch as undiciFetch } from 'undici'
import { type HttpStackOptions, httpStackOn } from './http-stack.js'

export interface NetworkOptions extends HttpStackOptions {
  /** To one server at once. Default: as many as there are requests, so that a question never waits for a file's end. */
  connections?: number
}

export interface Network {
  readonly dispatcher: Dispatcher
  /** For a Connection. */
  readonly fetch: typeof globalThis.fetch
  /** For sending. */
  readonly httpStack: HttpStack
  /** Ends every connection, with what runs on it. A program may also just end: idle connections don't hold it. */
  close(): Promise<void>
}

const CONNECT_MS = 10_000
const HEADERS_MS = 300_000
/** Event streams say something more often than that. */
const BODY_MS = 300_000

/**
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY are heeded, in small letters, too.
 *
 * Certificates are Node's affair: NODE_EXTRA_CA_CERTS names more of them.
 */
export function openNetwork({ connections, ...options }: NetworkOptions = {}): Network {
  const dispatcher = new EnvHttpProxyAgent({
    ...(connections === undefined ? {} : { connections }),
    // As curl does: CONNECT is for https, and many proxies refuse it for other ports.
    proxyTunnel: false,
    // A request behind another on one connection would share its fate.
    pipelining: 1,
    connect: { timeout: CONNECT_MS },
    headersTimeout: HEADERS_MS,
    bodyTimeout: BODY_MS,
  })
  return {
    dispatcher,
    // undici's fetch is the standard's; its types are its own.
    fetch: ((input: string | URL, init?: object) =>
      undiciFetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch,
    httpStack: httpStackOn(dispatcher, options),
    close: () => dispatcher.destroy(),
  }
}
