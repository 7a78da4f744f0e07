// An OpenTelemetry collector, as far as a test needs one: takes OTLP over HTTP in JSON, and keeps it, byte for byte.

import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PATIENCE_MS } from '../support/until.js'

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Undefined for the root of a trace. */
  readonly parentSpanId: string | undefined
  readonly name: string
  /** OTLP's number: 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly isError: boolean
  readonly resource: Readonly<Record<string, unknown>>
}

export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  readonly requests: { readonly path: string; readonly headers: http.IncomingHttpHeaders }[]
  /** All that came, as it came. */
  bytes(): string
  spans(): CollectedSpan[]
  /** The first span that matches; waits for one that has yet to come. */
  waitFor(matches: (span: CollectedSpan) => boolean): Promise<CollectedSpan>
  close(): Promise<void>
}

/** @param answers false: it takes requests and says nothing */
export async function startCollector({ answers = true } = {}): Promise<Collector> {
  const bodies: string[] = []
  const requests: { path: string; headers: http.IncomingHttpHeaders }[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    requests.push({ path: request.url ?? '', headers: request.headers })
    bodies.push(Buffer.concat(chunks).toString())
    if (answers) response.setHeader('Content-Type', 'application/json').end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const spans = () => bodies.flatMap(spansOf)

  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    bytes: () => bodies.join('\n'),
    spans,
    async waitFor(matches) {
      const deadline = performance.now() + PATIENCE_MS
      for (;;) {
        const found = spans().find(matches)
        if (found !== undefined) return found
        if (performance.now() > deadline) {
          throw new Error(`No such span among ${spans().map(({ name }) => name)}`)
        }
        await sleep(20)
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

// opentelemetry-proto, trace.proto and common.proto, in the JSON mapping of OTLP/HTTP.
interface KeyValue {
  key: string
  value: Record<string, unknown>
}
interface TracesData {
  resourceSpans: {
    resource: { attributes: KeyValue[] }
    scopeSpans: {
      spans: {
        traceId: string
        spanId: string
        parentSpanId?: string
        name: string
        kind: number
        attributes?: KeyValue[]
        status?: { code?: number }
      }[]
    }[]
  }[]
}

function spansOf(body: string): CollectedSpan[] {
  const { resourceSpans }: TracesData = JSON.parse(body)
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ attributes = [], status, parentSpanId, ...span }) => ({
        ...span,
        parentSpanId: parentSpanId || undefined,
        attributes: recordOf(attributes),
        isError: status?.code === 2,
        resource: recordOf(resource.attributes),
      })),
    ),
  )
}

function recordOf(pairs: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]))
}

/** Names from the root down to `span`. */
export function pathTo(span: CollectedSpan, all: readonly CollectedSpan[]): string[] {
  const parent = all.find(({ spanId }) => spanId === span.parentSpanId)
  return [...(parent === undefined ? [] : pathTo(parent, all)), span.name]
}
