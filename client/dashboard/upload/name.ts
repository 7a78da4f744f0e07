// What an upload is called on the page. Pure.

import type { Report } from '../../api/types.js'

type Named = Pick<Report, 'id' | 'filename' | 'relative_path'>

/** The name under which its bytes are handed out: the server's rule. */
export function nameOf({ id, filename, relative_path: path }: Named): string {
  return filename ?? path?.split('/').at(-1) ?? id
}

/** Its path in the folder it came from, or in its package; null where that is only its name. */
export function pathOf(report: Named): string | null {
  const { relative_path: path } = report
  return path === null || path === nameOf(report) ? null : path
}
