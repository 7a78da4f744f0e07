// Keeps every request of an upload at the server that the page came from.

import { DefaultHttpStack, type HttpStack } from 'tus-js-client'
import { uploadIdOf } from '../../api/uploads.js'

/** Where uploads live: beside the page, wherever that is mounted. */
export const UPLOADS_URL = new URL('uploads', document.baseURI).href

/** Where one upload is, for this page. */
export function uploadUrlOf(uploadId: string): string {
  return `${UPLOADS_URL}/${encodeURIComponent(uploadId)}`
}

/** Makes a creation that comes twice, since its answer was lost, one upload. */
export const IDEMPOTENCY_KEY = 'Idempotency-Key'

/**
 * An HTTP stack for tus-js-client that goes to this page's origin whatever the `Location` says.
 *
 * The server builds its URLs from PUBLIC_URL, but the page may have been opened under another name (localhost or
 * 127.0.0.1, a tunnel). There the page's policy would stop the upload, and the key must not go there either.
 */
export function sameOriginStack(): HttpStack {
  const stack = new DefaultHttpStack({})
  return {
    createRequest(method, url) {
      const request = stack.createRequest(method, url === UPLOADS_URL ? url : uploadUrlOf(uploadIdOf(url)))
      if (method === 'POST') return request
      // tus-js-client gives an upload's headers to each of its requests.
      const setHeader = request.setHeader.bind(request)
      request.setHeader = (name, value) => {
        if (name !== IDEMPOTENCY_KEY) setHeader(name, value)
      }
      return request
    },
    getName: () => stack.getName(),
  }
}
