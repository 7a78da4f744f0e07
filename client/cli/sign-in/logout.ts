// What `logout` does: revokes the key that `login` made, and forgets the credential.

import { NotFound, Unauthorized } from '../../api/errors.js'
import { changeConfig, readConfig } from '../config-file.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { failureLine, failureOf } from '../failure.js'
import { type Ground, sessionOn } from '../session.js'

export async function logout(ground: Ground): Promise<ExitCode> {
  const { output, settings } = ground
  const { configPath, url } = settings
  const { antipasto } = await sessionOn({ ...ground, settings: { ...settings, token: null } })
  const server = url ?? antipasto.connection.url
  const entry = (await readConfig(configPath)).servers?.[server]
  if (entry?.token === undefined) {
    output.result({ url: server, forgotten: false, revoked: false }, `You were not signed in to ${server}.`)
    return EXIT.ok
  }
  const failure = entry.key_id === undefined ? null : await revoke(ground, entry.token, entry.key_id)
  await changeConfig(configPath, (config) => {
    const { [server]: _gone, ...servers } = config.servers ?? {}
    return { ...config, servers }
  })
  const isRevoked = entry.key_id !== undefined && failure === null
  output.result(
    { url: server, forgotten: true, revoked: isRevoked },
    `Signed out of ${server}${isRevoked ? ', and the key was revoked' : ''}.`,
  )
  if (failure === null) return EXIT.ok
  output.warn(`Its key could not be revoked, and ends by itself: ${failureLine(failureOf(failure))}`)
  return EXIT.failed
}

/** Null when the key is no good any more; else why it still is. */
async function revoke(ground: Ground, token: string, keyId: string): Promise<unknown> {
  const { antipasto, signal } = await sessionOn({
    ...ground,
    flags: { ...ground.flags, token },
    settings: { ...ground.settings, token },
  })
  try {
    await antipasto.keys.revoke(keyId, signal)
    return null
  } catch (error) {
    return error instanceof Unauthorized || error instanceof NotFound ? null : error
  }
}
