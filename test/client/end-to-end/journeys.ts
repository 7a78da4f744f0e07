// The way of each file, read from the traffic: which uploads it had, which bytes went to the server, and how many of them
// a second time. Pure.

import type { Exchange } from './traffic.js'

/** Bytes of one request, from `startBytes` on. */
export interface Span {
  readonly startBytes: number
  readonly lengthBytes: number
  /** The highest offset that the server had acknowledged before it began, in any answer. */
  readonly acknowledgedBytes: number
  readonly isCreation: boolean
  readonly beganAtMs: number
}

export interface Journey {
  /** From the metadata of its creation. */
  readonly relativePath: string
  /** More than one: it began anew at byte 0. */
  readonly ids: ReadonlySet<string>
  /** Those with a body, in their order. */
  readonly spans: readonly Span[]
}

interface OpenJourney {
  readonly relativePath: string
  readonly ids: Set<string>
  readonly exchanges: Exchange[]
}

/**
 * One journey for each relative path (or, without one, file name) that was created at `/uploads`.
 *
 * Throws when an upload is continued that nobody has seen created.
 */
export function journeysOf(exchanges: readonly Exchange[]): Journey[] {
  const byPath = new Map<string, OpenJourney>()
  const byId = new Map<string, OpenJourney>()
  for (const exchange of exchanges) {
    if (exchange.method === 'POST' && exchange.path === '/uploads') {
      const relativePath = relativePathOf(exchange)
      const journey = byPath.get(relativePath) ?? { relativePath, ids: new Set(), exchanges: [] }
      byPath.set(relativePath, journey)
      journey.exchanges.push(exchange)
      const id = exchange.answer?.headers.get('location')?.split('/').at(-1)
      if (id === undefined) continue
      journey.ids.add(id)
      byId.set(id, journey)
    } else if (exchange.method === 'PATCH' || exchange.method === 'HEAD') {
      const id = /^\/uploads\/([^/?]+)$/.exec(exchange.path)?.[1]
      if (id === undefined) continue
      const journey = byId.get(id)
      if (journey === undefined) throw new Error(`${exchange.method} ${exchange.path}: nobody created that`)
      journey.exchanges.push(exchange)
    }
  }
  return [...byPath.values()].map((journey) => ({
    relativePath: journey.relativePath,
    ids: journey.ids,
    spans: spansOf(journey.exchanges),
  }))
}

/** How many bytes went to the server more than once. */
export function repeatedBytes({ spans }: Pick<Journey, 'spans'>): number {
  return spans.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0) - coveredBytes(spans)
}

/** The size of the union of the spans. */
function coveredBytes(spans: readonly Span[]): number {
  let covered = 0
  let upTo = 0
  for (const { startBytes, lengthBytes } of [...spans].sort((a, b) => a.startBytes - b.startBytes)) {
    const end = startBytes + lengthBytes
    covered += Math.max(0, end - Math.max(upTo, startBytes))
    upTo = Math.max(upTo, end)
  }
  return covered
}

function spansOf(exchanges: readonly Exchange[]): Span[] {
  return exchanges
    .filter(({ bodyBytes }) => bodyBytes > 0)
    .map(({ method, requestHeaders, bodyBytes, beganAtMs }) => ({
      startBytes: Number(requestHeaders.get('upload-offset') ?? 0),
      lengthBytes: bodyBytes,
      acknowledgedBytes: acknowledgedBefore(exchanges, beganAtMs),
      isCreation: method === 'POST',
      beganAtMs,
    }))
}

/** An answer of a request that was given up may come after the next one has begun. */
function acknowledgedBefore(exchanges: readonly Exchange[], atMs: number): number {
  return exchanges.reduce((most, { answer }) => {
    if (answer === null || answer.status >= 300 || answer.atMs > atMs) return most
    return Math.max(most, Number(answer.headers.get('upload-offset') ?? 0))
  }, 0)
}

function relativePathOf({ requestHeaders }: Exchange): string {
  const metadata = readMetadata(requestHeaders.get('upload-metadata') ?? '')
  return metadata.get('relativePath') ?? metadata.get('filename') ?? ''
}

/** tus: `name base64,name base64`. */
function readMetadata(header: string): Map<string, string> {
  return new Map(
    header.split(',').map((pair) => {
      const [name = '', value = ''] = pair.trim().split(' ')
      return [name, Buffer.from(value, 'base64').toString()]
    }),
  )
}
