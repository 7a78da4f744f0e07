// `npm run keys`: makes, lists and revokes API keys.

import { parseArgs } from 'node:util'
import { AppError } from '../errors.js'
import { parseDurationSeconds } from '../units.js'
import { type ApiKeyRecord, type ApiKeys, defaultOwner } from './api-keys.js'
import { OWNER_PATTERN } from './grant.js'
import { isScope, type Scope, scopes } from './identity.js'

const usage = `Usage:
  npm run keys -- create [--name NAME] [--scopes ${scopes.join(',')}] [--owner OWNER] [--groups A,B] [--expires 90d]
  npm run keys -- list
  npm run keys -- revoke ID-OR-PREFIX

A new key may upload, read and delete unless --scopes says otherwise, belongs to "${defaultOwner}" and never expires.`

/** Does what `argv` (without node and script) asks. Throws INVALID_INPUT with the usage, NOT_FOUND, CONFLICT. */
export async function runKeysCommand(
  argv: readonly string[],
  apiKeys: ApiKeys,
  print: (line: string) => void,
): Promise<void> {
  const [command, ...rest] = argv
  if (command === 'create') return create(rest, apiKeys, print)
  if (command === 'list') return list(rest, apiKeys, print)
  if (command === 'revoke') return revoke(rest, apiKeys, print)
  if (command === '--help' || command === 'help') return print(usage)
  throw wrongUsage(command === undefined ? 'Say what to do.' : `There is no command "${command}".`)
}

async function create(argv: string[], apiKeys: ApiKeys, print: (line: string) => void): Promise<void> {
  const { name, owner, scopes, groups, expires } = parseCreateOptions(argv)
  const created = await apiKeys.create({
    name: readName(name ?? 'unnamed'),
    owner: readOwner(owner ?? defaultOwner),
    scopes: readScopes(scopes ?? 'upload,read,delete'),
    groups: readGroups(groups ?? ''),
    ttlSeconds: expires === undefined ? undefined : readTtlSeconds(expires),
  })
  print(created.key)
  print(`Keep it now: it is not shown again. Scopes: ${created.scopes.join(', ')}. Owner: ${created.owner}.`)
  print(`To revoke it: npm run keys -- revoke ${created.id}`)
}

async function list(argv: string[], apiKeys: ApiKeys, print: (line: string) => void): Promise<void> {
  if (argv.length > 0) throw wrongUsage('"list" takes no arguments.')
  const keys = await apiKeys.list()
  if (keys.length === 0) return print('There are no keys yet.')
  const header = ['ID', 'KEY', 'NAME', 'OWNER', 'SCOPES', 'MADE', 'STATE']
  for (const line of alignColumns([header, ...keys.map(rowOf)])) print(line)
}

async function revoke(argv: string[], apiKeys: ApiKeys, print: (line: string) => void): Promise<void> {
  const [idOrPrefix, ...more] = argv
  if (idOrPrefix === undefined || more.length > 0) throw wrongUsage('"revoke" takes one id or prefix.')
  const revoked = await apiKeys.revoke(idOrPrefix)
  print(`Revoked ${revoked.prefix}… (${revoked.name}). Running servers refuse it within 5 seconds.`)
}

function parseCreateOptions(argv: string[]): {
  name?: string
  owner?: string
  scopes?: string
  groups?: string
  expires?: string
} {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: argv,
      options: { name: text, owner: text, scopes: text, groups: text, expires: text },
    }).values
  } catch (error) {
    throw wrongUsage(error instanceof Error ? error.message : String(error))
  }
}

// Control characters would break the lines of the list, and the terminal.
function readName(text: string): string {
  if (/^\P{Cc}{1,100}$/u.test(text)) return text
  throw wrongUsage('--name takes 1 to 100 characters, none of them a control character.')
}

function readOwner(text: string): string {
  if (OWNER_PATTERN.test(text)) return text
  throw wrongUsage('--owner takes 1 to 128 printable ASCII characters without spaces.')
}

function readScopes(text: string): Scope[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))]
  if (names.every(isScope)) return names
  throw wrongUsage(`--scopes takes ${scopes.join(', ')}, separated by commas; not "${text}".`)
}

function readGroups(text: string): string[] {
  const names = text.split(',').flatMap((name) => name.trim() || [])
  if (names.every((name) => OWNER_PATTERN.test(name))) return [...new Set(names)]
  throw wrongUsage('--groups takes names of 1 to 128 printable ASCII characters, separated by commas.')
}

function readTtlSeconds(text: string): number {
  const seconds = parseDurationSeconds(text)
  // Later dates than a century overflow.
  if (seconds !== undefined && seconds > 0 && seconds <= 36_500 * 86_400) return seconds
  throw wrongUsage(`--expires takes a whole number with s, m, h or d, such as 90d; not "${text}".`)
}

function rowOf(key: ApiKeyRecord): string[] {
  const made = key.createdAt.toISOString().slice(0, 10)
  return [key.id, `${key.prefix}…`, key.name, key.owner, key.scopes.join(','), made, stateOf(key)]
}

function stateOf(key: ApiKeyRecord): string {
  if (key.revokedAt !== null) return `revoked ${key.revokedAt.toISOString()}`
  if (key.expiresAt === null) return 'active'
  return `${key.isExpired ? 'expired' : 'active until'} ${key.expiresAt.toISOString()}`
}

function alignColumns(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}

function wrongUsage(what: string): AppError {
  return new AppError('INVALID_INPUT', `${what}\n\n${usage}`)
}
