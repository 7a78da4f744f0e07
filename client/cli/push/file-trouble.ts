// What the file system's refusals mean for the one whose file it is. Pure.

/** Why a local file or folder can't be read, in words that end a sentence. */
export function fileTrouble(error: unknown): string {
  const code = codeOf(error)
  switch (code) {
    case 'ENOENT':
      return 'it is not there (any more)'
    case 'EACCES':
    case 'EPERM':
      return 'you have no permission to read it'
    case 'ELOOP':
      return 'it is a symbolic link that leads back to itself'
    case 'ENOTDIR':
      return 'a part of its path is a file, not a folder'
    case 'ENAMETOOLONG':
      return 'its path is longer than this system can open; push from a folder further down'
    case 'EISDIR':
      return 'it is a folder'
    case 'EIO':
      return 'the disk could not read it (I/O error); check the disk'
    case 'ESTALE':
    case 'ENOTCONN':
    case 'EHOSTDOWN':
      return `the network folder it is in does not answer (${code})`
    case 'EMFILE':
    case 'ENFILE':
      return 'too many files are open; use a smaller --jobs'
    default:
      return `it could not be read (${code ?? (error instanceof Error ? error.message : String(error))})`
  }
}

/** True for an error of the file system, as Node gives it. */
export function isFileTrouble(error: unknown): boolean {
  return codeOf(error) !== null && typeof error === 'object' && error !== null && 'syscall' in error
}

function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}
