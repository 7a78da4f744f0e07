// What is sent: bytes of a known number that can be read again from any offset.

/** In Node a file (node/file-source.ts) or a small one in memory (bytes-source.ts), in browsers a Blob (blob-source.ts). */
export interface UploadSource {
  readonly sizeBytes: number
  /** What the HTTP stack takes as a body for [start, end); `done` when `end` is the size. `value` has its own `size` in bytes. */
  slice(start: number, end: number): Promise<{ value: unknown; done: boolean }>
  /**
   * Called before the bytes from `offsetBytes` on are asked for, whenever sending goes on at an offset.
   *
   * A file source reads and hashes what lies before, unless it has, and throws LocalFileDiffers when that isn't what was sent.
   */
  prepareFrom?(offsetBytes: number, signal?: AbortSignal): Promise<void>
  /** SHA-256 of all bytes in lowercase hex; null when the source can't tell. */
  sha256?(): Promise<string | null>
  /** For whoever opened the source: sending doesn't call it. */
  close?(): void | Promise<void>
}
