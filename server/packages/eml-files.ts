// Which file of a package a name in an EML document means. Pure.

/** What is known of a file once all of it is here. */
export interface FileFacts {
  sizeBytes: number
  md5: string
  sha1: string
  /** A media type. */
  formatName: string
  url: string
}

export interface PackageFile {
  uploadId: string
  /** In the package, where no other file has it. */
  path: string
  /** What it is called when it is handed out. */
  name: string
  /** Null while it isn't ready. */
  facts: FileFacts | null
}

export interface ReadyFile extends PackageFile {
  facts: FileFacts
}

export function isReady(file: PackageFile): file is ReadyFile {
  return file.facts !== null
}

/** Names are compared in NFC, as they are written and then without the white space around them. */
export class PackageFiles {
  readonly all: readonly PackageFile[]
  readonly #byPath = new Map<string, PackageFile>()
  readonly #byName = new Map<string, PackageFile | 'ambiguous'>()

  constructor(files: readonly PackageFile[]) {
    this.all = files
    for (const file of files) {
      this.#byPath.set(file.path.normalize('NFC'), file)
      for (const name of [file.name, lastSegment(file.path)]) this.#addName(name.normalize('NFC'), file)
    }
  }

  #addName(name: string, file: PackageFile): void {
    const other = this.#byName.get(name)
    this.#byName.set(name, other === undefined || other === file ? file : 'ambiguous')
  }

  /** The file with this path; else the one file of this name, 'ambiguous' when several have it. */
  find(text: string): PackageFile | 'ambiguous' | undefined {
    const name = text.normalize('NFC')
    const trimmed = name.trim()
    return (
      this.#byPath.get(name) ??
      this.#byPath.get(trimmed) ??
      this.#byName.get(name) ??
      this.#byName.get(trimmed)
    )
  }

  /** What `find` knows the file by: its name when that is enough, else its path. Never blank, which EML doesn't take. */
  objectNameOf(file: PackageFile): string {
    if (file.name.trim() !== '' && this.find(file.name) === file) return file.name
    return file.path.trim() === '' ? file.uploadId : file.path
  }
}

function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
