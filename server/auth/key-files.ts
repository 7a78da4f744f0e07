// A folder with a file of API keys for each tenant, as Kubernetes mounts a secret: read once, at the start.

import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../errors.js'
import { type ConfiguredKey, configuredKey, findConfigured } from './configured-keys.js'
import { OWNER_PATTERN } from './grant.js'
import { isScope, type Scope } from './identity.js'

export interface KeyLine {
  /** From 1. */
  number: number
  key: string
  scopes: Scope[]
}

const LEAST_KEY_LENGTH = 16
const MOST_FILE_BYTES = 1024 ** 2

/**
 * The keys of all files in `folder`: a file's name is the owner, each line `scope+scope KEY`. Names that begin with a dot and
 * folders are passed over: Kubernetes puts `..data` there, and editors what they are about to write.
 *
 * @param taken keys that are somebody's already
 * @throws INVALID_INPUT, naming file and line, never the key, for a line that is wrong, and for a key that is there twice
 */
export async function readKeyFiles(
  folder: string,
  taken: readonly ConfiguredKey[] = [],
): Promise<ConfiguredKey[]> {
  const keys: ConfiguredKey[] = []
  for (const name of (await namesIn(folder)).sort()) {
    const file = path.join(folder, name)
    const text = await textOf(file)
    if (text === undefined) continue
    if (!OWNER_PATTERN.test(name)) {
      throw wrong(file, 'its name is not an owner: 1 to 128 printable ASCII characters without spaces')
    }
    const read = parseKeyFile(text)
    if ('fault' in read) throw wrong(file, `line ${read.number}: ${read.fault}`)
    for (const { number, key, scopes } of read.lines) {
      const one = configuredKey(key, { owner: name, scopes: new Set(scopes) })
      if (findConfigured([...taken, ...keys], one.digest) !== undefined) {
        throw wrong(file, `line ${number}: that key is somewhere else, too, and must be one owner's`)
      }
      keys.push(one)
    }
  }
  return keys
}

/** The lines of one file; comments begin with #. Pure. */
export function parseKeyFile(text: string): { lines: KeyLine[] } | { number: number; fault: string } {
  const lines: KeyLine[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const number = index + 1
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const [names = '', key, ...more] = line.split(/[ \t]+/)
    const scopes = names.split('+')
    if (!scopes.every(isScope) || key === undefined || more.length > 0) {
      return {
        number,
        fault: 'a line is "upload+read+delete KEY", with scopes of upload, read, delete, admin',
      }
    }
    if (key.length < LEAST_KEY_LENGTH || !/^[\x21-\x7e]+$/.test(key)) {
      return { number, fault: `a key has at least ${LEAST_KEY_LENGTH} printable ASCII characters` }
    }
    lines.push({ number, key, scopes })
  }
  return { lines }
}

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    throw wrong(folder, `it can't be read (${cause.code ?? 'an error'})`)
  })
  return names.filter((name) => !name.startsWith('.'))
}

/** Undefined for a folder. Follows links: Kubernetes' files are some. */
async function textOf(file: string): Promise<string | undefined> {
  try {
    const found = await stat(file)
    if (found.isDirectory()) return undefined
    // A pipe would be waited for.
    if (!found.isFile() || found.size > MOST_FILE_BYTES) throw wrong(file, 'it is no file of at most 1 MiB')
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw wrong(file, `it can't be read (${(cause as NodeJS.ErrnoException).code ?? 'an error'})`)
  }
}

function wrong(file: string, fault: string): AppError {
  return new AppError('INVALID_INPUT', `API_KEYS_DIR: ${JSON.stringify(file)} can't be used: ${fault}.`)
}
