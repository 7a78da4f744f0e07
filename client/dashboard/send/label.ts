// Which label is suggested for files that are about to be sent. Pure.

/** What of a path stands first, when it is a folder: "lake/2026/a.csv" is in "lake". */
function topFolderOf(relativePath: string | null): string | null {
  const [first, ...rest] = (relativePath ?? '').split('/').filter((segment) => segment !== '')
  return first === undefined || rest.length === 0 ? null : first
}

/** The one folder that all of the files come from; null when there are several, or files that lie in none. */
export function onlyFolderOf(relativePaths: Iterable<string | null>): string | null {
  let only: string | null = null
  for (const path of relativePaths) {
    const folder = topFolderOf(path)
    if (folder === null || (only !== null && folder !== only)) return null
    only = folder
  }
  return only
}

export interface LabelHints {
  /** Put in by hand since the last sending, were it to have none; null: nothing was. */
  typed: string | null
  /** Of the files that wait to be sent. */
  folder: string | null
  /** Of what was sent last. */
  last: string
}

export function labelFor({ typed, folder, last }: LabelHints): string {
  return typed ?? folder ?? last
}
