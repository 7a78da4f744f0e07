// Gives bytes to the user as a file, as if a link had been followed to it.

/** The browser has taken it over long before. */
const KEPT_MS = 60_000

export function saveFile(name: string, content: BlobPart, mediaType: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: mediaType }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS)
}
