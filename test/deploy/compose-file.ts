// docker-compose.yml as Compose reads it: anchors merged, variables put in.

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export interface Service {
  readonly image?: string
  readonly build?: string
  readonly user?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number | boolean>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly restart?: string
  readonly stop_grace_period?: string
  readonly configs?: readonly { readonly source: string; readonly target: string }[]
  readonly healthcheck?: {
    readonly disable?: boolean
    readonly test?: readonly string[]
    readonly start_period?: string
  }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly restart?: boolean }>>
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
}

const text = readFileSync(new URL('../../../docker-compose.yml', import.meta.url), 'utf8')

const VARIABLE = /\$(?:\$|\{([A-Z0-9_]+)(?::-([^}]*))?\}|(.?))/g

/**
 * The file with the variables of `environment`: `$$` is a dollar, `${NAME:-default}` takes the default where NAME is absent or
 * empty. Throws on anything else after a dollar: Compose knows more, and this file needs no more.
 */
export function readCompose(environment: Readonly<Record<string, string>> = {}): ComposeFile {
  const interpolate = (value: string) =>
    value.replace(VARIABLE, (whole, name?: string, byDefault?: string) => {
      if (whole === '$$') return '$'
      if (name === undefined) throw new Error(`Not a variable of Compose: ${whole}`)
      return environment[name] || (byDefault ?? '')
    })
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return interpolate(value)
    if (Array.isArray(value)) return value.map(walk)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member)]))
  }
  return walk(parse(text, { merge: true })) as ComposeFile
}

/** Every variable that the file takes from `.env`. */
export function composeVariables(): string[] {
  const names = [...text.matchAll(VARIABLE)].map(([, name]) => name)
  return [...new Set(names.filter((name) => name !== undefined))]
}
