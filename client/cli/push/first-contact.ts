// Before the first byte: is that the server, may we, is the package there? What is wrong here is wrong for every file.

import type { Antipasto } from '../../api/antipasto.js'
import { ApiError, Forbidden, Unauthorized } from '../../api/errors.js'
import { askJson } from '../../api/json.js'
import type { Me } from '../../api/types.js'
import { CommandFailed, EXIT } from '../exit-code.js'
import type { Place } from './names.js'

/** Until the server has answered once, a wrong URL is likelier than a bad moment. */
const PATIENCE_SECONDS = 10

/** @throws Unauthorized, NotFound, Gone, ConnectionFailed, ForeignAnswer, CommandFailed */
export async function meetServer(
  antipasto: Antipasto,
  { packageId }: Place,
  signal: AbortSignal,
): Promise<void> {
  const me = await askJson<Me>(antipasto.connection, '/me', { signal, patienceSeconds: PATIENCE_SECONDS })
  if (!me.scopes.includes('upload')) {
    throw new CommandFailed(`This credential may not upload; it may: ${me.scopes.join(', ') || 'nothing'}.`, {
      exitCode: EXIT.auth,
      hint: 'Ask for a key with the scope "upload".',
    })
  }
  if (packageId !== null) await antipasto.packages.get(packageId, signal)
}

/** Any tus server's endpoint: it need not answer OPTIONS, but if it does, it must speak tus. */
export async function meetEndpoint(
  antipasto: Antipasto,
  endpoint: string,
  signal: AbortSignal,
): Promise<void> {
  let answer: Response
  try {
    const ask = { method: 'OPTIONS', headers: { 'tus-resumable': '1.0.0' }, signal }
    answer = await antipasto.connection.ask(endpoint, { ...ask, patienceSeconds: PATIENCE_SECONDS })
  } catch (error) {
    if (error instanceof ApiError && !(error instanceof Unauthorized || error instanceof Forbidden)) return
    throw error
  }
  await answer.body?.cancel()
  if (answer.headers.has('tus-version') || answer.headers.has('tus-resumable')) return
  throw new CommandFailed(`${endpoint} does not speak tus.`, {
    hint: 'Give the URL at which uploads are made, like https://tus.example.org/files/.',
  })
}
