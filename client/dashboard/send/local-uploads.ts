// How the uploads of this tab stand, one by one and together. Pure.

/** `stopped`: it met what doesn't pass by itself. `waiting`: for its turn, the network, or somebody to sign in. */
export type Presence = 'sending' | 'paused' | 'stopped' | 'waiting'

/** One upload as this tab has it. */
export interface LocalUpload {
  presence: Presence
  sizeBytes: number
  /** Handed to the network. */
  sentBytes: number
  /** Kept by the server, whatever happens. */
  acknowledgedBytes: number
  /** Null while it can't be told. */
  bytesPerSecond: number | null
  /** Why it stopped, in words for the user. */
  trouble: string | null
  /** Of the request that stopped it, to be named to the people who run the server. */
  requestId: string | null
}

export interface SendingTotal {
  files: number
  /** Of these, how many have arrived. */
  done: number
  sentBytes: number
  acknowledgedBytes: number
  sizeBytes: number
  bytesPerSecond: number | null
  secondsLeft: number | null
  /** At least one of them is on its way. */
  isMoving: boolean
}

/** What is known of one file that was begun. */
export interface BegunFile {
  isPaused: boolean
  isComplete: boolean
  /** In words for the user; null: nothing is wrong. */
  trouble: string | null
  requestId: string | null
  /** A request of it is on its way, or waits for its answer. */
  isActive: boolean
  sizeBytes: number
  sentBytes: number
  acknowledgedBytes: number
  bytesPerSecond: number | null
}

/** @param canSend somebody is signed in, and the browser knows of a network */
export function presenceOf({ isPaused, isActive, trouble }: BegunFile, canSend: boolean): Presence {
  if (trouble !== null) return 'stopped'
  if (isPaused) return 'paused'
  return isActive && canSend ? 'sending' : 'waiting'
}

export function localUploadOf(file: BegunFile, canSend: boolean): LocalUpload {
  const presence = presenceOf(file, canSend)
  return {
    presence,
    sizeBytes: file.sizeBytes,
    sentBytes: Math.max(file.sentBytes, file.acknowledgedBytes),
    acknowledgedBytes: file.acknowledgedBytes,
    bytesPerSecond: presence === 'sending' ? file.bytesPerSecond : null,
    trouble: file.trouble,
    requestId: file.trouble === null ? null : file.requestId,
  }
}

/** `before` where nothing has changed, so that nothing is drawn for it. */
export function sameOr(before: LocalUpload | undefined, now: LocalUpload): LocalUpload {
  if (before === undefined) return now
  const keys = Object.keys(now) as (keyof LocalUpload)[]
  return keys.every((key) => before[key] === now[key]) ? before : now
}

/**
 * All that was begun, with what has arrived already: so the sum never runs backwards while one file after the other is done.
 *
 * Null when none was, or all have arrived.
 *
 * @param bytesPerSecond of all of them together
 */
export function totalOf(
  files: readonly BegunFile[],
  { canSend, bytesPerSecond }: { canSend: boolean; bytesPerSecond: number | null },
): SendingTotal | null {
  if (files.every(({ isComplete }) => isComplete)) return null
  const total = { files: files.length, done: 0, sentBytes: 0, acknowledgedBytes: 0, sizeBytes: 0 }
  let isMoving = false
  let leftBytes = 0
  for (const file of files) {
    total.sizeBytes += file.sizeBytes
    if (file.isComplete) {
      total.done += 1
      total.sentBytes += file.sizeBytes
      total.acknowledgedBytes += file.sizeBytes
      continue
    }
    total.sentBytes += Math.max(file.sentBytes, file.acknowledgedBytes)
    total.acknowledgedBytes += file.acknowledgedBytes
    const presence = presenceOf(file, canSend)
    if (presence === 'paused' || presence === 'stopped') continue
    isMoving = true
    leftBytes += file.sizeBytes - Math.max(file.sentBytes, file.acknowledgedBytes)
  }
  const isTold = isMoving && bytesPerSecond !== null && bytesPerSecond > 0
  return {
    ...total,
    bytesPerSecond: isMoving ? bytesPerSecond : null,
    secondsLeft: isTold ? leftBytes / bytesPerSecond : null,
    isMoving,
  }
}
