// What `doctor` looks at on this computer: Node, the folders, the proxy.

import { randomBytes } from 'node:crypto'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import nodePath from 'node:path'
import type { Settings } from '../settings.js'
import { type Check, fail, ok, warn } from './check.js'
import { proxyFor, withoutSecrets } from './proxy.js'

const LEAST_NODE = [20, 19] as const

export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const isEnough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])
  if (isEnough) return ok('node', version)
  return fail('node', version, `antipasto needs Node ${LEAST_NODE.join('.')} or newer: install it.`)
}

export function proxyCheck(url: URL, settings: Settings): Check {
  const proxy = proxyFor(url, settings.environment.proxies)
  if (proxy === null) return ok('proxy', 'none: straight to the server')
  return ok('proxy', `${withoutSecrets(proxy)} (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)`)
}

export async function folderChecks({ folders, configPath }: Settings): Promise<Check[]> {
  return [
    await writableCheck('config', folders.config),
    ...(await secrecyCheck(configPath)),
    await writableCheck('state', folders.state),
  ]
}

async function writableCheck(name: string, folder: string): Promise<Check> {
  const file = nodePath.join(folder, `.doctor-${randomBytes(6).toString('hex')}`)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(file, '', { flag: 'wx', mode: 0o600 })
    await rm(file)
    return ok(name, folder)
  } catch (error) {
    const advice = 'Make it writable for you, or name others by XDG_CONFIG_HOME and ANTIPASTO_STATE_DIR.'
    return fail(name, `${folder} can't be written to (${codeOf(error)})`, advice)
  }
}

/** Windows has no such modes: there the folder is its user's alone. */
async function secrecyCheck(configPath: string): Promise<Check[]> {
  if (process.platform === 'win32') return []
  const stats = await stat(configPath).catch(() => null)
  if (stats === null) return []
  const mode = stats.mode & 0o777
  if ((mode & 0o077) === 0) return [ok('config file', configPath)]
  const detail = `others on this computer may read ${configPath} (mode ${mode.toString(8).padStart(4, '0')})`
  return [warn('config file', detail, `Run chmod 600 ${configPath}.`)]
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown'
}
