// multipart/form-data as a test wants it, right or wrong.

export const BOUNDARY = 'xX-antipasto-Xx'
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`

export interface Part {
  name: string
  value: string | Uint8Array
  filename?: string
  type?: string
  /** More header lines. */
  lines?: readonly string[]
}

export const part = (name: string, value: string): Part => ({ name, value })

export const file = (value: Uint8Array, more: Partial<Part> = {}): Part => ({
  name: 'file',
  filename: 'lake.csv',
  type: 'text/csv',
  value,
  ...more,
})

/** The body of a form with these parts. */
export function form(parts: readonly Part[], ending = `--${BOUNDARY}--\r\n`): Buffer {
  const pieces = parts.flatMap(({ name, value, filename, type, lines = [] }) => [
    [
      `--${BOUNDARY}`,
      `Content-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}`,
      ...(type === undefined ? [] : [`Content-Type: ${type}`]),
      ...lines,
      '\r\n',
    ].join('\r\n'),
    value,
    '\r\n',
  ])
  return Buffer.concat([...pieces, ending].map((piece) => Buffer.from(piece as string)))
}
