// What `login` does: finds a credential, sees that the server takes it, keeps it in the config file.

import { hostname } from 'node:os'
import { Conflict, Forbidden, Unauthorized } from '../../api/errors.js'
import type { Me } from '../../api/types.js'
import { formatMoment } from '../../format.js'
import { canAsk } from '../ask.js'
import { changeConfig, readConfig, type ServerEntry } from '../config-file.js'
import { CommandFailed, EXIT } from '../exit-code.js'
import { plainText } from '../plain-text.js'
import { type Ground, type Session, sessionOn } from '../session.js'
import { tokenFromBrowser } from './browser.js'
import { chooseWay } from './choose.js'
import { isToken } from './iam-url.js'
import { type Way, wayOf } from './methods.js'
import { askSecret, readSecret } from './secret.js'

export interface LoginFlags {
  key?: string
  keyStdin?: boolean
  provider?: string
  browser: boolean
  /** For how many seconds a sign-in by browser is to last; 0: as long as its token does. */
  keep: number
}

/** What is kept of a sign-in, and until when it lasts. */
interface Kept {
  entry: ServerEntry
  expiresAt: string | null
}

export async function login(ground: Ground, flags: LoginFlags): Promise<void> {
  const { output, settings } = ground
  const anonymous = await sessionOn({ ...ground, settings: { ...settings, token: null } })
  const { url } = anonymous.antipasto.connection
  const { credential, isKey } = await credentialFor(ground, anonymous, flags)
  const session = await signedIn(ground, credential)
  const me = await whoIs(session)
  const kept =
    isKey || flags.keep === 0
      ? { entry: { token: credential }, expiresAt: me.expires_at }
      : await lasting(session, credential, me, flags.keep)

  const before = (await readConfig(settings.configPath)).servers?.[url]
  await changeConfig(settings.configPath, (config) => ({
    ...config,
    url,
    servers: { ...config.servers, [url]: kept.entry },
  }))
  await forget(session, before, kept.entry)
  const until = kept.expiresAt === null ? '' : ` until ${formatMoment(new Date(kept.expiresAt), 'en-GB')}`
  output.result(
    {
      url,
      owner: me.owner,
      scopes: me.scopes,
      key_id: kept.entry.key_id ?? me.key_id,
      expires_at: kept.expiresAt,
      config: settings.configPath,
    },
    [`Signed in to ${url} as ${plainText(me.owner)}${until}.`],
  )
  if (settings.environment.token !== undefined || settings.environment.tokenFile !== undefined) {
    output.warn(
      'ANTIPASTO_TOKEN or ANTIPASTO_TOKEN_FILE is set, and goes before this sign-in. Unset it to use this one.',
    )
  }
}

async function credentialFor(
  ground: Ground,
  { antipasto }: Session,
  flags: LoginFlags,
): Promise<{ credential: string; isKey: boolean }> {
  const { signal } = ground
  const given = flags.key ?? ground.flags.token ?? (flags.keyStdin === true ? await readSecret() : undefined)
  if (given !== undefined) return { credential: checked(given), isKey: true }
  const methods = await antipasto.signIn(signal)
  let way: Way = wayOf(methods, { wanted: flags.provider, canAsk: canAsk() })
  if (way.kind === 'choice') way = await chooseWay(way.providers, signal)
  if (way.kind !== 'provider')
    return { credential: checked(await askSecret('API key (not shown): ', signal)), isKey: true }
  const token = await tokenFromBrowser(ground, antipasto, {
    provider: way.provider,
    isBrowserOpened: flags.browser,
  })
  return { credential: token, isKey: false }
}

function checked(key: string): string {
  const text = key.trim()
  if (isToken(text)) return text
  const message =
    text === '' ? 'No key was given.' : 'That is no key: it has blanks or other characters that no key has.'
  throw new CommandFailed(message, { exitCode: EXIT.usage, hint: 'Paste it as it was shown, on one line.' })
}

function signedIn(ground: Ground, credential: string): Promise<Session> {
  return sessionOn({
    ...ground,
    flags: { ...ground.flags, token: credential },
    settings: { ...ground.settings, token: credential },
  })
}

async function whoIs({ antipasto, signal }: Session): Promise<Me> {
  try {
    return await antipasto.me(signal)
  } catch (error) {
    if (!(error instanceof Unauthorized)) throw error
    throw new CommandFailed('The server does not accept it.', {
      exitCode: EXIT.auth,
      hint: 'Check that all of the key was pasted, and that it is for this server; or ask for another.',
      cause: error,
    })
  }
}

/** A key in place of a token of a few hours, which would end in the middle of a push of days. */
async function lasting(
  { antipasto, output, signal }: Session,
  token: string,
  me: Me,
  keepSeconds: number,
): Promise<Kept> {
  try {
    const made = await antipasto.keys.create(
      { name: keyName(hostname()), expires_at: new Date(Date.now() + keepSeconds * 1000).toISOString() },
      signal,
    )
    return { entry: { token: made.key, key_id: made.id }, expiresAt: made.expires_at }
  } catch (error) {
    // Too few rights to make one, or too many of them there: the token itself must do.
    if (!(error instanceof Forbidden || error instanceof Conflict)) throw error
    output.warn(`No key could be made, so this sign-in lasts as long as its token: ${error.message}`)
    return { entry: { token }, expiresAt: me.expires_at }
  }
}

const MOST_NAME_CHARACTERS = 80

/** By which its owner knows it in the list of keys. */
export function keyName(host: string): string {
  return `cli ${host.replaceAll(/[^\w.-]/g, '?').slice(0, MOST_NAME_CHARACTERS)}`
}

/** Revokes the key that the last sign-in here made: nobody has it any more. */
async function forget(
  { antipasto, output, signal }: Session,
  before: ServerEntry | undefined,
  now: ServerEntry,
): Promise<void> {
  if (before?.key_id === undefined || before.key_id === now.key_id) return
  try {
    await antipasto.keys.revoke(before.key_id, signal)
  } catch (error) {
    if (output.isVerbose) output.warn(`The key of the last sign-in could not be revoked: ${String(error)}`)
  }
}
