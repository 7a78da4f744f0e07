// Into how large pieces a body is cut on its way to the socket. Pure.

const SMALLEST_BYTES = 16 * 1024
const FIRST_BYTES = 128 * 1024
const LARGEST_BYTES = 1024 * 1024
const QUICK_MS = 50
const SLOW_MS = 1000

/**
 * Grows while the network takes pieces quickly, which costs the least, and shrinks while it doesn't: then progress moves
 * often, and a connection that crawls can be told from one that is dead.
 */
export class Pace {
  pieceBytes = FIRST_BYTES

  /** The last piece took so long until it was with the kernel. */
  took(milliseconds: number): void {
    if (milliseconds < QUICK_MS) this.pieceBytes = Math.min(LARGEST_BYTES, this.pieceBytes * 2)
    else if (milliseconds > SLOW_MS) this.pieceBytes = Math.max(SMALLEST_BYTES, this.pieceBytes / 2)
  }
}
