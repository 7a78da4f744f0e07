// How the way of one file ended.

export type PushOutcome =
  /** It is on the server now. `sha256` is null where nothing compared it. */
  | { state: 'sent'; url: string; sha256: string | null; isVerified: boolean; expiresAt: string | null }
  /** It was there before. */
  | { state: 'kept'; url: string; sha256: string | null; expiresAt: string | null }
  /** `reason` ends the sentence "<path> was not sent: …", without a full stop. */
  | { state: 'failed'; reason: string; error: unknown }
  /** What arrived was something else; it isn't there any more. */
  | { state: 'mismatch'; reason: string; error: unknown }
  /** It goes on another time: from what is at `url`, where it had begun. */
  | { state: 'stopped'; url: string | null }

/** A server's own sentence as the end of one of ours. */
export function asReason(message: string): string {
  return message.replace(/\.$/, '')
}
