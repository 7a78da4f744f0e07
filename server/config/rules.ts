// What settings may be: parsers of what stands in the environment. Pure.

import { isIP } from 'node:net'
import { z } from 'zod'
import { isScope, type Scope } from '../auth/identity.js'
import type { RetentionClass } from '../packages/retention.js'
import { parseDurationSeconds } from '../units.js'

/** A rule from a parser that gives undefined for what isn't allowed. */
export function rule<Value>(parse: (text: string) => Value | undefined): z.ZodType<Value> {
  return z.string().transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue('is not allowed')
    return z.NEVER
  })
}

export function integerBetween(least: number, most: number): z.ZodType<number> {
  return rule((text) => {
    if (!/^\d{1,16}$/.test(text)) return undefined
    const value = Number(text)
    return value >= least && value <= most ? value : undefined
  })
}

// A century: past that, dates stop meaning anything and start to overflow.
export const longestTtlSeconds = 36_500 * 86_400

export const durationAllowed = 'a whole number with s, m, h or d: 90s, 15m, 12h, 30d (at least 1s)'

export function durationUpTo(mostSeconds: number, leastSeconds = 1): z.ZodType<number> {
  return rule((text) => {
    const seconds = parseDurationSeconds(text)
    return seconds !== undefined && seconds >= leastSeconds && seconds <= mostSeconds ? seconds : undefined
  })
}

export const sizeAllowed = 'bytes, or a whole number with KiB, MiB, GiB or TiB: 500MiB'

export const truth = z.enum(['true', 'false']).transform((text) => text === 'true')

function commaList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

const leastKeyLength = 16
export const keysAllowed = `keys separated by commas, each at least ${leastKeyLength} printable ASCII characters without spaces`

export const apiKeyList = z.string().transform((text, context) => {
  const keys = commaList(text)
  for (const [index, key] of keys.entries()) {
    if (key.length < leastKeyLength) context.addIssue(`key ${index + 1} is ${key.length} characters long`)
    else if (!/^[\x21-\x7e]+$/.test(key))
      context.addIssue(`key ${index + 1} has a space or a non-ASCII character`)
  }
  return keys
})

export function publicOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const isBare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
  return isBare && /^https?:$/.test(url.protocol) ? url.origin : undefined
}

export function corsOrigins(text: string): '*' | string[] | undefined {
  if (text === '*') return '*'
  const origins = commaList(text)
  return origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)
    ? origins
    : undefined
}

/** `name:duration` or `name:never`, separated by commas, each name once. */
export function retentionClasses(text: string): RetentionClass[] | undefined {
  const classes = commaList(text).map((item) => {
    const [, name, ttl] = /^([a-z0-9][a-z0-9_-]{0,31}):(\w+)$/.exec(item) ?? []
    const ttlSeconds = ttl === 'never' ? null : parseDurationSeconds(ttl ?? '')
    const isLife =
      ttlSeconds === null || (ttlSeconds !== undefined && ttlSeconds >= 1 && ttlSeconds <= longestTtlSeconds)
    return name === undefined || !isLife ? undefined : { name, ttlSeconds: ttlSeconds ?? null }
  })
  const isEveryOne = classes.every((one) => one !== undefined)
  const isUnique = new Set(classes.map((one) => one?.name)).size === classes.length
  return isEveryOne && isUnique && classes.length > 0 ? classes : undefined
}

/** At most so many requests in so long. */
export interface RateLimit {
  requests: number
  windowSeconds: number
}

export const rateAllowed = 'a number of requests and a duration: 600/1m'

export function rateLimit(text: string): RateLimit | undefined {
  const [, requests, window] = /^([1-9]\d{0,8})\/(\w+)$/.exec(text) ?? []
  const windowSeconds = parseDurationSeconds(window ?? '')
  if (requests === undefined || windowSeconds === undefined || windowSeconds < 1) return undefined
  return windowSeconds > 86_400 ? undefined : { requests: Number(requests), windowSeconds }
}

/** Who gets which scopes: a principal (a person or a group), or `*` for everybody who is signed in. */
export interface ScopeRule {
  principal: string
  scopes: readonly Scope[]
}

/** `principal:scope+scope`, separated by commas. Principals may have colons themselves. */
export function scopeRules(text: string): ScopeRule[] | undefined {
  const rules = commaList(text).map((item) => {
    const [, principal = '', names = ''] = /^([\x21-\x7e]{1,200}):([a-z+]+)$/.exec(item) ?? []
    return { principal, scopes: names.split('+') }
  })
  const isEveryOne = (one: (typeof rules)[number]): one is ScopeRule & typeof one =>
    one.principal !== '' && one.scopes.every(isScope)
  return rules.length > 0 && rules.every(isEveryOne) ? rules : undefined
}

/** Those with a public and a private key. With a shared secret whoever checks tokens could make them, too. */
const ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
  'Ed25519',
]

export const algorithmsAllowed = `of ${ALGORITHMS.join(', ')}, separated by commas`

export function algorithms(text: string): string[] | undefined {
  const names = commaList(text)
  return names.length > 0 && names.every((name) => ALGORITHMS.includes(name)) ? names : undefined
}

/** How many proxies stand before us, or from which addresses they come. */
export type TrustedProxies = number | readonly string[]

export const proxiesAllowed =
  'none, the number of proxies before the server, or their addresses and networks separated by commas: 10.0.0.0/8,::1'

export function trustedProxies(text: string): TrustedProxies | undefined {
  if (text === 'none') return 0
  if (/^\d{1,2}$/.test(text)) return Number(text)
  const networks = commaList(text)
  const isNetwork = (network: string): boolean => {
    const [address = '', bits, more] = network.split('/')
    const most = isIP(address) === 4 ? 32 : 128
    return (
      isIP(address) !== 0 &&
      !address.includes('%') &&
      more === undefined &&
      (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= most))
    )
  }
  return networks.length > 0 && networks.every(isNetwork) ? networks : undefined
}

/** An https URL, or http to this machine: what it answers is believed. */
export function trustedUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, hostname, username, href } = new URL(text)
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  return username === '' && (protocol === 'https:' || (protocol === 'http:' && isHere)) ? href : undefined
}

export const trustedUrlAllowed = 'an https URL without password; http only to localhost'

export function trustedOrigin(text: string): string | undefined {
  const href = trustedUrl(text)
  return href === undefined ? undefined : publicOrigin(text)
}

/** A count of which none is not a limit but its absence. */
export function limitOf(parse: (text: string) => number | undefined): z.ZodType<number | undefined> {
  return z.string().transform((text, context) => {
    if (text === 'none') return undefined
    const value = parse(text)
    if (value !== undefined && value > 0) return value
    context.addIssue('is not allowed')
    return z.NEVER
  })
}

export function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

export const path = rule((text) => (text.includes('\0') ? undefined : text))

/** One word of text without spaces: an issuer, an audience, a domain. */
export const word = rule((text) => (/^[\x21-\x7e]{1,300}$/.test(text) ? text : undefined))
