// Which way to sign in: what the server offers, what the user has asked for, what this terminal can do. Pure.

import type { SignIn } from '../../api/types.js'
import { CommandFailed, EXIT } from '../exit-code.js'

export type Provider = Extract<SignIn['methods'][number], { type: 'redirect' }>

export type Way =
  | { kind: 'provider'; provider: Provider }
  /** Several, and nobody has said which. */
  | { kind: 'choice'; providers: readonly Provider[] }
  | { kind: 'key' }

/** @throws CommandFailed (2) when there is no such way, or nobody can be asked */
export function wayOf(
  { methods }: SignIn,
  { wanted, canAsk }: { wanted: string | undefined; canAsk: boolean },
): Way {
  const providers = methods.filter((method): method is Provider => method.type === 'redirect')
  const names = providers.map(({ provider }) => provider).join(', ')
  if (wanted !== undefined) {
    const provider = providers.find((one) => one.provider === wanted)
    if (provider !== undefined) return { kind: 'provider', provider }
    throw new CommandFailed(`Nobody signs in by ${wanted} at this server.`, {
      exitCode: EXIT.usage,
      hint: names === '' ? 'It takes keys only: use --key-stdin.' : `It offers ${names}, and keys.`,
    })
  }
  const [only] = providers
  if (only !== undefined && providers.length === 1) return { kind: 'provider', provider: only }
  if (!canAsk) {
    throw new CommandFailed('This is no terminal, so nobody can be asked how to sign in.', {
      exitCode: EXIT.usage,
      hint: `Give a key by --key-stdin${names === '' ? '' : `, or name a --provider: ${names}`}.`,
    })
  }
  return only === undefined ? { kind: 'key' } : { kind: 'choice', providers }
}

/** What a person chose of a numbered list: by number or by name; `key` for the entry after the last. Null: neither. */
export function chosenWay(answer: string, providers: readonly Provider[]): Way | null {
  const text = answer.trim().toLowerCase()
  const number = /^\d{1,2}$/.test(text) ? Number(text) : 0
  if (text === 'key' || number === providers.length + 1) return { kind: 'key' }
  const provider = providers[number - 1] ?? providers.find((one) => one.provider === text)
  return provider === undefined ? null : { kind: 'provider', provider }
}
