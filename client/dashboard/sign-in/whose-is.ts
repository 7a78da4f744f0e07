// Whose a key is, asked of the server before the page goes over to it.

import { Antipasto } from '../../api/antipasto.js'
import { Unauthorized } from '../../api/errors.js'
import { at } from '../../api/routes.js'
import type { Me } from '../../api/types.js'
import { type Account, readAccount } from './account.js'

export interface Told {
  me: Me
  account: Account
}

const ANSWER_WITHIN_SECONDS = 20

/**
 * `refused` by the server, or null when it can't be told now. Throws nothing.
 *
 * @param url the server's
 */
export async function whoseIs(url: string, key: string): Promise<Told | 'refused' | null> {
  const { connection } = new Antipasto({
    url,
    token: key,
    patienceSeconds: 0,
    answerWithinSeconds: ANSWER_WITHIN_SECONDS,
  })
  try {
    const { bytes, headers } = await connection.read(at('/me'), { expects: 'json' })
    const answer: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const account = readAccount(answer, headers.get('date'), Date.now())
    return account === null ? null : { me: answer as Me, account }
  } catch (error) {
    return error instanceof Unauthorized ? 'refused' : null
  }
}
