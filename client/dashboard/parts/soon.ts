// Many reasons to do one thing, and it is done once for all of them.

export interface Soon {
  /** There is a reason. What runs already doesn't know of it, and is followed by another run. */
  ask(): void
  /** Forgets what was asked for. */
  stop(): void
}

export interface SoonOptions {
  /** After the first reason, so that those which come with it are waited for. */
  delayMs: number
  /** Between the end of a run and the beginning of the next. */
  restMs: number
}

/** Runs `act`, which must not reject, soon after it is asked for: never twice at once, and not all the time. */
export function soon(act: () => Promise<void>, { delayMs, restMs }: SoonOptions): Soon {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isRunning = false
  let isWanted = false
  let isStopped = false

  async function run(): Promise<void> {
    isWanted = false
    isRunning = true
    await act()
    isRunning = false
    timer = undefined
    if (isStopped) return
    timer = setTimeout(() => {
      timer = undefined
      if (isWanted) void run()
    }, restMs)
  }

  return {
    ask() {
      if (isStopped) return
      isWanted = true
      if (isRunning || timer !== undefined) return
      timer = setTimeout(() => void run(), delayMs)
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
