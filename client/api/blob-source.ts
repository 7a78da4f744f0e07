// A Blob, or a File that somebody chose in a browser, as what is sent.

import { LocalFileDiffers } from './errors.js'
import type { UploadSource } from './upload-source.js'

export function blobSource(blob: Blob): UploadSource {
  return {
    sizeBytes: blob.size,
    async slice(start, end) {
      return { value: blob.slice(start, end), done: end >= blob.size }
    },
    async prepareFrom(offsetBytes) {
      if (offsetBytes >= blob.size) return
      // A file that changed since it was chosen can't be read any more, and XMLHttpRequest would call that a broken network.
      try {
        await blob.slice(offsetBytes, offsetBytes + 1).arrayBuffer()
      } catch (cause) {
        throw new LocalFileDiffers('The file changed, or went away, since it was chosen. Choose it again.', {
          cause,
        })
      }
    },
  }
}
