// Signing in with a browser on this computer.

import open from 'open'
import type { Antipasto } from '../../api/antipasto.js'
import { CommandFailed } from '../exit-code.js'
import type { Ground } from '../session.js'
import { iamUrl } from './iam-url.js'
import { openLoopback } from './loopback.js'
import type { Provider } from './methods.js'

const PATIENCE_MS = 5 * 60_000

/** The token that the browser brings. @throws CommandFailed, Interrupted */
export async function tokenFromBrowser(
  { output, signal, settings }: Ground,
  antipasto: Antipasto,
  { provider, isBrowserOpened }: { provider: Provider; isBrowserOpened: boolean },
): Promise<string> {
  const loopback = await openLoopback()
  try {
    const url = iamUrl(await iamLocation(antipasto, provider, signal), loopback.url)
    if (url === null) {
      throw new CommandFailed('The server does not lead to a sign-in that antipasto knows.', {
        hint: 'Sign in with a key instead: `antipasto login --key-stdin`.',
      })
    }
    const { isRemote, hasDisplay, platform } = settings.environment
    const canOpen = !isRemote && (platform !== 'linux' || hasDisplay)
    output.warn(`To sign in, open this in a browser on this computer:\n\n  ${url}\n`)
    if (isBrowserOpened && canOpen) await openBrowser(url)
    else if (!canOpen) output.warn(remoteAdvice(loopback.url))
    return await loopback.token(PATIENCE_MS, signal)
  } finally {
    loopback.close()
  }
}

/** Where the server sends a browser. It is the server that knows the IAM. */
async function iamLocation(
  antipasto: Antipasto,
  { provider }: Provider,
  signal: AbortSignal,
): Promise<string | null> {
  const { connection } = antipasto
  // By the name that the server has here, which need not be its PUBLIC_URL.
  const path = `/sign-in/${encodeURIComponent(provider)}`
  const answer = await connection.ask(path, { redirect: 'give', isAnonymous: true, signal })
  await answer.body?.cancel()
  return answer.headers.get('location')
}

function remoteAdvice(loopbackUrl: string): string {
  const { port } = new URL(loopbackUrl)
  return (
    'There is no browser here. From the computer that has one, first forward the way back:\n\n' +
    `  ssh -L ${port}:127.0.0.1:${port} <this computer>\n\n` +
    'and open the URL there; or stop this, and sign in with a key: `antipasto login --key-stdin`.'
  )
}

/** Whether it opens or not: the URL has been said. */
async function openBrowser(url: string): Promise<void> {
  try {
    const browser = await open(url)
    browser.on('error', () => {})
  } catch {
    // No browser, or none that the system knows.
  }
}
