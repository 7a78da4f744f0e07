// How tests wait for what must come.

import { setTimeout as sleep } from 'node:timers/promises'

/** So long that a busy machine meets it as little as an idle one: only what never comes fails by it. Less than Jest's own limit. */
export const PATIENCE_MS = 60_000

const PAUSE_MS = 20

/** Looks again and again until it is so. @throws when it isn't after PATIENCE_MS */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  pause: () => Promise<unknown> = () => sleep(PAUSE_MS),
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`It did not come to be in ${PATIENCE_MS / 1000} s.`)
    await pause()
  }
}

/** Reads again and again until the value is right. @returns it, or the last one after PATIENCE_MS: what is wrong with it is the caller's to say */
export async function valueWhen<Value>(
  read: () => Promise<Value>,
  isRight: (value: Value) => boolean,
): Promise<Value> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const value = await read()
    if (isRight(value) || performance.now() > deadline) return value
    await sleep(PAUSE_MS)
  }
}
