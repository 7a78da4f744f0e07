// Who is signed in and until when, as `GET /me` tells it. Pure.

/** Before the end, long enough to find one's password. */
const WARNING_MS = 10 * 60_000

/** The server takes a token for as long after its end, since clocks differ. */
const LEEWAY_MS = 60_000

export interface Account {
  owner: string
  /** Other names of the same person. */
  aliases: string[]
  /** By this browser's clock, in milliseconds since 1970; null: it doesn't end by itself. */
  endsAtMs: number | null
}

export type SignInPhase = 'good' | 'ending' | 'ended'

/**
 * Reads the answer of `GET /me`; null when it isn't one.
 *
 * @param date the answer's `Date`: how long is left is counted by the server's clock, as this browser's may be wrong
 * @param nowMs this browser's
 */
export function readAccount(answer: unknown, date: string | null, nowMs: number): Account | null {
  if (typeof answer !== 'object' || answer === null) return null
  const { owner, aliases: others, expires_at: expiresAt } = answer as Record<string, unknown>
  if (typeof owner !== 'string' || owner === '') return null
  const aliases = Array.isArray(others) ? others.filter((alias) => typeof alias === 'string') : []
  const endsAtMs = typeof expiresAt === 'string' ? Date.parse(expiresAt) : Number.NaN
  if (Number.isNaN(endsAtMs)) return { owner, aliases, endsAtMs: null }
  const serverMs = Date.parse(date ?? '')
  return { owner, aliases, endsAtMs: Number.isNaN(serverMs) ? endsAtMs : endsAtMs - serverMs + nowMs }
}

/** Whether what `owner` has is this one's: to anybody else it doesn't exist. */
export function reaches(account: Account, owner: string): boolean {
  return account.owner === owner || account.aliases.includes(owner)
}

/** `ended`: no server takes it any more, so that asking would be in vain. */
export function phaseOf({ endsAtMs }: Pick<Account, 'endsAtMs'>, nowMs: number): SignInPhase {
  if (endsAtMs === null || nowMs < endsAtMs - WARNING_MS) return 'good'
  return nowMs < endsAtMs + LEEWAY_MS ? 'ending' : 'ended'
}

/**
 * The person's name in a token (`cn`), which EDI's owners are easier known by; null for other credentials.
 *
 * Nothing but words to show may come of it: only the server checks the signature.
 */
export function nameIn(credential: string): string | null {
  const [, payload] = credential.split('.')
  if (payload === undefined) return null
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    )
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof claims !== 'object' || claims === null || !('cn' in claims)) return null
    return typeof claims.cn === 'string' && claims.cn.trim() !== '' ? claims.cn.trim() : null
  } catch {
    return null
  }
}
