// Which of the server's warnings one is, so that the page can explain it in its own language. Pure.

export type WarningKind = 'empty' | 'html'

/**
 * Known by how the sentence begins: the report has no codes for warnings (contentWarnings in the server's upload.ts).
 *
 * @returns null for one that this page doesn't know, to be shown as it came
 */
export function warningKind(warning: string): WarningKind | null {
  if (warning.startsWith('The file is empty')) return 'empty'
  if (warning.startsWith('The file looks like an HTML page')) return 'html'
  return null
}
