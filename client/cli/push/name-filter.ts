// --include and --exclude: which files of a tree are meant. Pure.

import picomatch from 'picomatch'

export interface NameFilter {
  /** False for a file that isn't to be sent. */
  takesFile(path: string, pathInRoot: string): boolean
  /** False for a folder that need not be looked into. */
  entersFolder(path: string, pathInRoot: string): boolean
}

/**
 * Globs as shells know them, with `**` for any folders; one without a slash is held against the name alone.
 *
 * Both paths of a file are held against them: with the name of the pushed folder, as the server will call it, and
 * without, as one sees it from inside. What is excluded isn't included by anything.
 */
export function nameFilter(include: readonly string[], exclude: readonly string[]): NameFilter {
  const isIncluded = include.length === 0 ? () => true : matcher(include)
  const isExcluded = exclude.length === 0 ? () => false : matcher(exclude)
  return {
    takesFile: (path, inRoot) =>
      (isIncluded(path) || isIncluded(inRoot)) && !isExcluded(path) && !isExcluded(inRoot),
    entersFolder: (path, inRoot) => !isExcluded(path) && !isExcluded(inRoot),
  }
}

function matcher(globs: readonly string[]): (path: string) => boolean {
  // `results/` means the folder, and picomatch compares names without the slash at their end.
  const each = globs.map((glob) => {
    const bare = glob.replace(/(?<=.)\/+$/, '')
    return picomatch(bare, { dot: true, basename: !bare.includes('/') })
  })
  return (path) => each.some((isMatch) => isMatch(path))
}
