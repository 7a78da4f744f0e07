// What a command that moves files says while it does, whatever it is said on: a terminal, a log, nothing at all.

/** How a file ended. `kept`: it was there already, and nothing had to move. */
export type Outcome = 'done' | 'kept' | 'failed' | 'stopped'

export interface Totals {
  files: number
  bytes: number
  /** More are still being found. */
  isGrowing?: boolean
}

export interface Progress {
  /** @param name as one visible line (`plainText`). @param totalBytes null while nobody knows it */
  begin(id: string, name: string, totalBytes: number | null): void
  /** It goes on from here: what lies before was moved another time, or is only being looked at, and has no rate. */
  resume(id: string, bytes: number): void
  /**
   * So much of it is there now.
   *
   * @param state what it does instead of moving: "the connection broke, trying again in 12 s". Left out: it moves
   */
  move(id: string, bytes: number, state?: string): void
  /** It has ended. With `done`, what had not been told of it has moved; with the others it has not. */
  end(id: string, outcome: Outcome): void
  /** As soon as it is known, and again whenever that changes. */
  total(totals: Totals): void
  /** A line that stays, for people who want to know: not with --quiet. */
  note(line: string): void
  /** A line that stays, for everybody: what went wrong. */
  warn(line: string): void
  /** Clears the display. Call it before the summary, and whenever the command ends. */
  close(): void
}
