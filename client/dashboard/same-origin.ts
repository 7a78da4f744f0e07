// Keeps every request of an upload at the server that the page came from.

import { DefaultHttpStack, type HttpStack } from 'tus-js-client'
import { UPLOADS_URL } from './api.js'
import { uploadIdOf } from './report.js'

/**
 * An HTTP stack for tus-js-client that goes to this page's origin whatever the `Location` says.
 *
 * The server builds its URLs from PUBLIC_URL, but the page may have been opened under another name (localhost or
 * 127.0.0.1, a tunnel). There the page's policy would stop the upload, and the key must not go there either.
 */
export function sameOriginStack(): HttpStack {
  const stack = new DefaultHttpStack({})
  return {
    createRequest: (method, url) =>
      stack.createRequest(method, url === UPLOADS_URL ? url : `${UPLOADS_URL}/${uploadIdOf(url)}`),
    getName: () => stack.getName(),
  }
}
