// The dashboard: files as Vite has built them, compressed on their way, each under its policy.

import { fileURLToPath } from 'node:url'
import { constants } from 'node:zlib'
import compression from 'compression'
import express, { type Request, type Response, Router } from 'express'
import type { Protect } from '../http/security-headers.js'

/** Where Vite puts the page, seen from the compiled server. */
const BUILT_PAGE = fileURLToPath(new URL('../../dashboard', import.meta.url))

// Vite names its assets by their content. A URL with a query may be that of somebody who comes back from the IAM: what is in it
// must not stay on the disk.
const FOR_EVER = 'public, max-age=31536000, immutable'

/** `verify-worker-D4x_tZ7Q.js`: Vite's name for the script of a worker whose source is called so. */
const WORKER = /\/assets\/[^/]*-worker-[^/]+\.js$/

/**
 * Of 318 kB of script the default, level 4, makes 96 kB in 6 ms, as gzip does; 5 makes 90 kB in 9 ms, 11 makes 82 kB in half a
 * second. Browsers ask once for each version.
 */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }

export interface PageRoutesOptions {
  /** Sets the headers of a document, and of what it loads. */
  protect: Protect
  /** Sets those of the script of a worker. */
  protectWorker: Protect
  /** With `index.html` and `assets/`. */
  folder?: string
}

/** To be mounted behind all else: it has no routes but its files. */
export function pageRoutes({ protect, protectWorker, folder = BUILT_PAGE }: PageRoutesOptions): Router {
  const router = Router()
  router.use(compression({ brotli: BROTLI, filter: isCompressible }))
  router.use(
    express.static(folder, {
      // What isn't one of the page's files is a 404 as everywhere, not a way to another URL.
      redirect: false,
      // A range would be of the bytes before they are compressed.
      acceptRanges: false,
      setHeaders: (response, path) => {
        const setPolicy = WORKER.test(path) ? protectWorker : protect
        setPolicy(response)
        response.locals.isOfPage = true
        response.vary('Accept-Encoding').set('Cache-Control', cacheControl(response.req.url, path))
      },
    }),
  )
  return router
}

/** Files of the page alone: an answer that says secrets beside what others have put in must not be compressed (BREACH). */
function isCompressible(request: Request, response: Response): boolean {
  return response.locals.isOfPage === true && compression.filter(request, response)
}

function cacheControl(url: string, path: string): string {
  if (path.includes('/assets/')) return FOR_EVER
  return url.includes('?') ? 'no-store' : 'no-cache'
}
