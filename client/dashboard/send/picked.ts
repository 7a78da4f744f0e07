// Files as they come: dropped, with folders to be walked, chosen, or pasted.

export interface Picked {
  file: File
  /** Where it lies in the folder that was dropped or chosen: "lake/2026/a.csv"; null outside of one. */
  relativePath: string | null
}

export interface Pick {
  files: Picked[]
  /** Paths of what the browser couldn't read. */
  unreadable: string[]
}

/** Whether what is dragged are files, as far as the browser tells before they are dropped. */
export function hasFiles(transfer: DataTransfer | null): boolean {
  return transfer?.types.includes('Files') ?? false
}

/**
 * All files of a drop or of the clipboard, those in folders too. To be called in the event itself: browsers empty
 * `transfer` when it is over.
 */
export async function pickFrom(transfer: DataTransfer): Promise<Pick> {
  const pick: Pick = { files: [], unreadable: [] }
  const entries: FileSystemEntry[] = []
  for (const item of transfer.items) {
    if (item.kind !== 'file') continue
    const entry = item.webkitGetAsEntry()
    const file = item.getAsFile()
    // What is pasted has no entry; of a folder, the file is of no use.
    if (entry !== null) entries.push(entry)
    else if (file !== null) pick.files.push({ file, relativePath: null })
  }
  for (const entry of entries) await walk(entry, pick)
  return pick
}

/** Those of `<input type="file">`, for folders too. */
export function pickOf(list: FileList | null): Pick {
  const files = [...(list ?? [])].map((file) => ({ file, relativePath: file.webkitRelativePath || null }))
  return { files, unreadable: [] }
}

async function walk(entry: FileSystemEntry, pick: Pick): Promise<void> {
  const path = entry.fullPath.replace(/^\//, '')
  try {
    if (isFile(entry)) {
      const file = await fileOf(entry)
      pick.files.push({ file, relativePath: path.includes('/') ? path : null })
      return
    }
    if (!isFolder(entry)) return
    const reader = entry.createReader()
    // A hundred at a time, until there are none: the File and Directory Entries API §7.3.
    for (let some = await entriesOf(reader); some.length > 0; some = await entriesOf(reader)) {
      await Promise.all(some.map((one) => walk(one, pick)))
    }
  } catch {
    pick.unreadable.push(path)
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject))
}

function entriesOf(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject))
}
