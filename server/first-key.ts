// The key that a fresh installation makes by itself, so that `npm start` can be used at once.

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type ApiKeys, defaultOwner } from './auth/api-keys.js'
import type { Config } from './config.js'

/**
 * The first key, to be shown at every start: made when there is no key at all, and kept in `DATA_DIR/api-key`,
 * readable by the server's user only.
 *
 * @returns null when the operator manages keys: some are configured, or the kept one is gone or revoked
 */
export async function firstKey(config: Config, apiKeys: ApiKeys): Promise<string | null> {
  if (config.apiUploadKeys.length > 0) return null
  const file = path.join(config.dataDir, 'api-key')
  const kept = await readFile(file, 'utf8').catch(() => null)
  if (kept !== null) {
    const key = kept.trim()
    return (await apiKeys.identify(key)) === undefined ? null : key
  }
  if ((await apiKeys.list()).length > 0) return null
  const { key } = await apiKeys.create({
    name: 'first key',
    owner: defaultOwner,
    scopes: ['upload', 'read', 'delete'],
    ttlSeconds: undefined,
  })
  await writeFile(file, `${key}\n`, { mode: 0o600 })
  return key
}
