// One request to a server of ours, timed from its start to the last byte of the answer.

import type { BenchServer } from './servers.js'

export interface TimedJson {
  /** Undefined for what isn't JSON. */
  readonly value: unknown
  readonly elapsedMs: number
}

/** Throws for any answer that isn't a success. */
export async function requestJson(
  server: Pick<BenchServer, 'target'>,
  method: string,
  path: string,
  body?: object,
): Promise<TimedJson> {
  const { port, authorization } = server.target
  const startedAtMs = performance.now()
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      Authorization: authorization,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const elapsedMs = performance.now() - startedAtMs
  if (!response.ok)
    throw new Error(`${method} ${path} answered ${response.status}: ${bytes.subarray(0, 500)}`)
  const isJson = response.headers.get('Content-Type')?.startsWith('application/json') ?? false
  return { value: isJson ? JSON.parse(bytes.toString()) : undefined, elapsedMs }
}

/** A member of a JSON object that has to be text. */
export function textMember(value: unknown, member: string): string {
  const found =
    typeof value === 'object' && value !== null
      ? Object.entries(value).find(([name]) => name === member)
      : undefined
  if (typeof found?.[1] === 'string') return found[1]
  throw new Error(`The answer has no ${member}.`)
}
