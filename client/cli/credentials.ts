// The credential of a session: the one that settings give, and when it has ended the one that is given next.

import type { Credentials } from '../api/credentials.js'
import { sleep } from '../api/sleep.js'
import { readConfig } from './config-file.js'
import type { Output } from './output.js'
import { type GlobalFlags, readToken, type Settings } from './settings.js'

const LOOK_AGAIN_MS = 1_000

export interface SessionCredentials extends Credentials {
  /** The server took it: from now on a refusal means that it has ended, not that it is wrong. */
  wasAccepted(): void
}

/**
 * `renew` looks whether the token file or the config file has another one by now. If not, and a person is there, it says
 * how to sign in and waits for that, for as long as the signal lets it; else null: a script must not hang.
 */
export function sessionCredentials(
  flags: GlobalFlags,
  settings: Settings,
  output: Output,
  signal: AbortSignal,
): SessionCredentials {
  let token = settings.token
  let isAccepted = false

  const fromFiles = async (): Promise<string | null> => {
    const config = await readConfig(settings.configPath)
    return (await readToken(flags, settings.environment, config, settings.url))?.token ?? null
  }
  // What `login` writes, though a flag or a variable gave the token that has ended.
  const fromLogin = async (): Promise<string | null> => {
    const { servers } = await readConfig(settings.configPath)
    return settings.url === null ? null : (servers?.[settings.url]?.token ?? null)
  }

  return {
    current: () => token,
    wasAccepted() {
      isAccepted = true
    },
    async renew(ended, renewalSignal = signal) {
      const known = await fromLogin()
      let next = await fromFiles()
      if (next === null || next === ended) {
        if (!isAccepted || !output.isTerminal || output.isJson) return null
        output.warn(
          'Your sign-in has ended. Run `antipasto login` in another terminal; this goes on by itself.',
        )
        do {
          await sleep(LOOK_AGAIN_MS, renewalSignal)
          // While a file is being written anew it may be unreadable for a moment.
          next = await changedToken(ended, known, fromFiles, fromLogin).catch(() => null)
        } while (next === null)
        output.warn('You are signed in again; going on.')
      }
      token = next
      return next
    },
  }
}

async function changedToken(
  ended: string | null,
  known: string | null,
  fromFiles: () => Promise<string | null>,
  fromLogin: () => Promise<string | null>,
): Promise<string | null> {
  const fromSettings = await fromFiles()
  if (fromSettings !== null && fromSettings !== ended) return fromSettings
  const signedIn = await fromLogin()
  return signedIn === ended || signedIn === known ? null : signedIn
}
