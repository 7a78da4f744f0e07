// Which paths a server takes, so that the others are told before a byte goes. Pure; server/uploads/relative-path.ts decides.

const MOST_PATH_BYTES = 1024

/** Why the server would refuse `path`, in words that end a sentence; null when it takes it. */
export function pathFault(path: string): string | null {
  if (!path.isWellFormed() || path.includes('\ufffd')) return 'its name is not valid UTF-8; rename it'
  const control = /\p{Cc}/u.exec(path)?.[0]
  if (control !== undefined) return 'its name has a control character or a line break; rename it'
  if (path.includes('\\')) return 'its name has a backslash; rename it'
  if (path.split('/').some((segment) => ['', '.', '..'].includes(segment.trim()))) {
    return 'its name is only dots or spaces; rename it'
  }
  const sizeBytes = new TextEncoder().encode(path.normalize('NFC')).byteLength
  if (sizeBytes > MOST_PATH_BYTES) {
    return `its path has ${sizeBytes} bytes, and the server takes ${MOST_PATH_BYTES}; push from a folder further down`
  }
  return null
}
