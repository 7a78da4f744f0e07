// Patterns of LIKE and ILIKE, made of what users search for. Pure.

/** Of texts that have `text` somewhere. What means something in patterns stands for itself. */
export function anywhere(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
}
