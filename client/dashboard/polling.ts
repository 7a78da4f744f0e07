// When the list is asked again.

const MOVING_MS = 2_000
const STILL_MS = 15_000

export interface Polling {
  /** Asks at once, and goes on from there. */
  now(): void
  stop(): void
}

/**
 * Calls `ask` every 2 s while it resolves true (something moves), every 15 s otherwise, never while the tab is hidden,
 * and at once when it is shown again. `ask` must not reject.
 */
export function createPolling(ask: () => Promise<boolean>): Polling {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isRunning = false
  let round = 0

  async function poll(): Promise<void> {
    clearTimeout(timer)
    round += 1
    const mine = round
    if (!isRunning || document.hidden) return
    const isMoving = await ask()
    // A later call, or stop(), has taken over while the answer was on its way.
    if (mine === round && isRunning) timer = setTimeout(poll, isMoving ? MOVING_MS : STILL_MS)
  }

  document.addEventListener('visibilitychange', () => void poll())

  return {
    now() {
      isRunning = true
      void poll()
    },
    stop() {
      isRunning = false
      clearTimeout(timer)
    },
  }
}
