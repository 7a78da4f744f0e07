// The name of a file, out of what a client calls it. Pure.

/** The name without any folders before it: a path never reaches the disk or a header. Null when nothing is left. */
export function fileName(text: string): string | null {
  const name = text.split(/[/\\]/).at(-1)?.trim() ?? ''
  return ['', '.', '..'].includes(name) ? null : name
}
