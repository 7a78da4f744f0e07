// Which operation a request asks for, by its method and path alone: for what is counted and traced, never for what is done.

import type { Operation } from './operation.js'

export interface Route {
  /** As OpenAPI writes it: `/uploads/{id}`. */
  readonly path: string
  /** The operation's id. */
  readonly id: string
}

/**
 * Finds the operation of a request; undefined for what is none. HEAD is its own operation, or GET's.
 *
 * Paths are told apart as Express does it: whatever the case, with a slash at the end or without.
 */
export function routeFinder(
  operations: readonly Operation[],
): (method: string, path: string) => Route | undefined {
  const byMethod = new Map<string, { pattern: RegExp; route: Route }[]>()
  // `/eml/fragment` before `/eml/{id}`: what is written out wins.
  for (const { method, path, id } of [...operations].sort((one, other) => holes(one) - holes(other))) {
    const name = method.toUpperCase()
    const known = byMethod.get(name) ?? []
    byMethod.set(name, known)
    known.push({ pattern: patternOf(path), route: { path, id } })
  }
  const find = (method: string, path: string): Route | undefined =>
    byMethod.get(method)?.find(({ pattern }) => pattern.test(path))?.route
  return (method, path) => find(method, path) ?? (method === 'HEAD' ? find('GET', path) : undefined)
}

function holes({ path }: Operation): number {
  return path.split('{').length
}

function patternOf(path: string): RegExp {
  const literal = (text: string) => text.replace(/[.*+?^$()|[\]\\]/g, '\\$&')
  const source = path
    .split(/(\{\w+\})/)
    .map((piece) => (piece.startsWith('{') ? '[^/]+' : literal(piece)))
    .join('')
  return new RegExp(`^${source}/?$`, 'i')
}
