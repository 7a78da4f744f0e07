// Paths on the server, none but those of openapi.json: one that isn't there, or lacks an id, doesn't compile.

import type { paths } from './generated/openapi.js'

type ParameterOf<Route extends string> = Route extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParameterOf<Rest>
  : never

type Parameters<Route extends string> = [ParameterOf<Route>] extends [never]
  ? []
  : [values: Record<ParameterOf<Route>, string>]

/** `at('/uploads/{id}', { id })`: the path with its parameters, percent-encoded. */
export function at<Route extends keyof paths>(route: Route, ...[values]: Parameters<Route>): string {
  const given: Readonly<Record<string, string>> = values ?? {}
  return route.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(given[name] ?? ''))
}

/** One segment of a path. URL parsers take "." and ".." away, even percent-encoded, and "" would be another route. */
function segment(value: string): string {
  if (value === '' || value === '.' || value === '..')
    throw new RangeError(`${JSON.stringify(value)} is no id.`)
  return encodeURIComponent(value)
}
