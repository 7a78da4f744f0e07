// Which of the server's paths may be written to under a folder here: whoever sent a file has chosen its name. Pure.

/** As `process.platform`; only `win32` has rules of its own. */
export type Platform = string

/**
 * Why nothing is written to `path` under any folder, in words that end a sentence; null when it stays inside.
 *
 * Harder than any one system needs: what is a harmless name here leads elsewhere on another, and the same package should
 * arrive everywhere or nowhere. The names that only Windows can't have are refused on Windows only.
 */
export function unsafePath(path: string, platform: Platform): string | null {
  if (path === '') return 'the path is empty'
  if (path.includes('\0')) return 'the path has a NUL in it'
  if (/\p{Cc}/u.test(path)) return 'the path has a control character or a line break in it'
  if (!path.isWellFormed()) return 'the path is not valid Unicode'
  if (path.startsWith('/')) return 'the path is absolute'
  if (path.includes('\\')) return 'the path has a backslash in it'
  if (/^[A-Za-z]:/.test(path)) return 'the path begins with a drive letter'
  for (const segment of path.split('/')) {
    const fault = unsafeSegment(segment, platform)
    if (fault !== null) return fault
  }
  return null
}

function unsafeSegment(segment: string, platform: Platform): string | null {
  const name = segment.trim()
  if (name === '') return 'the path has an empty part'
  if (name === '.' || name === '..') return 'the path leads out of its folder (".." or ".")'
  if (platform !== 'win32') return null
  // https://learn.microsoft.com/windows/win32/fileio/naming-a-file: "file.txt:stream" is another stream of file.txt.
  if (/[<>:"|?*]/.test(segment)) return 'Windows has no names with any of < > : " | ? *'
  if (/[. ]$/.test(segment)) return 'Windows has no names that end with a dot or a space'
  if (/^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i.test(segment)) {
    return `Windows keeps the name ${segment} for a device`
  }
  return null
}

/** The path of a file while it is fetched; another file must not have it. */
export const PART_SUFFIX = '.part'

/**
 * Paths with one key may be one file: on disks that ignore case, or how accents are encoded.
 *
 * Upper case first: ſ and s, ß and ss are one on such disks, too.
 */
export function diskKey(path: string): string {
  return path.normalize('NFD').toUpperCase().toLowerCase().normalize('NFC')
}
