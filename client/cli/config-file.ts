// The config file: which server, and its credential. Only its owner may read it.

import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { CommandFailed, EXIT } from './exit-code.js'
import { replaceWhole } from './written-file.js'

export interface ServerEntry {
  /** A key or a token. */
  token?: string
  /** The key's, when `login` has made it: `logout` revokes it. */
  key_id?: string
  /** When it ends, RFC 3339. */
  expires_at?: string
}

export interface Config {
  /** The server of commands that name none. */
  url?: string
  /** By URL, without a slash at its end. */
  servers?: Record<string, ServerEntry>
}

export function configPathIn(configFolder: string): string {
  return path.join(configFolder, 'config.json')
}

/** What it says; nothing when there is none. @throws CommandFailed when it can't be read or isn't one */
export async function readConfig(configPath: string): Promise<Config> {
  let text: string
  try {
    text = await readFile(configPath, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return {}
    throw new CommandFailed(`The config file ${configPath} can't be read (${code}).`, {
      exitCode: EXIT.usage,
      cause: error,
    })
  }
  const config = parseConfig(text)
  if (config === null) {
    throw new CommandFailed(`The config file ${configPath} is damaged.`, {
      exitCode: EXIT.usage,
      hint: 'Remove it, and sign in again with `antipasto login`.',
    })
  }
  return config
}

/** Writes what `change` makes of it: whole or not at all, for its owner's eyes only. */
export async function changeConfig(configPath: string, change: (config: Config) => Config): Promise<void> {
  const next = change(await readConfig(configPath))
  await mkdir(path.dirname(configPath), { recursive: true, mode: 0o700 })
  await replaceWhole(configPath, `${JSON.stringify(next, null, 2)}\n`, 0o600)
}

/** Null when `text` isn't a config. Members that this version doesn't know are kept. */
export function parseConfig(text: string): Config | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isRecord(value)) return null
  const { url, servers = {} } = value
  if (url !== undefined && typeof url !== 'string') return null
  if (!isRecord(servers) || !Object.values(servers).every(isServerEntry)) return null
  return value as Config // each member was looked at above
}

function isServerEntry(value: unknown): value is ServerEntry {
  return isRecord(value) && [value.token, value.key_id, value.expires_at].every(isOptionalText)
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
