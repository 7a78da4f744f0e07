// openapi.json and the page that shows it. Neither needs a credential.

import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import path from 'node:path'
import { type Response, Router } from 'express'
import { isNotModified } from '../files/byte-range.js'
import { PAGE, START_SCRIPT, START_SCRIPT_NAME, SWAGGER_FILES } from './page.js'

/** By its own file: the package's main module would run the whole page in here. */
const SWAGGER_FOLDER = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

export interface DocumentationOptions {
  /** Called once, by the first who wants it. */
  makeDocument: () => Readonly<Record<string, unknown>>
  /** Sets the headers of a document. */
  protect: (response: Response) => void
}

/** `GET /openapi.json` and `GET /docs`. */
export function documentationRoutes({ makeDocument, protect }: DocumentationOptions): Router {
  const router = Router()
  let made: { json: string; etag: string } | null = null
  const document = () => {
    if (made !== null) return made
    const json = JSON.stringify(makeDocument())
    made = { json, etag: `"${createHash('sha256').update(json).digest('hex')}"` }
    return made
  }
  const prepare = (response: Response) => {
    protect(response)
    response.set('Cache-Control', 'no-cache')
  }

  router.get('/openapi.json', (request, response) => {
    const { json, etag } = document()
    response.set({ ETag: etag, 'Cache-Control': 'no-cache' })
    if (isNotModified(request.headers['if-none-match'], etag)) response.status(304).end()
    else response.type('application/json').send(json)
  })
  router.get('/docs', (_request, response) => {
    prepare(response)
    response.type('text/html').send(PAGE)
  })
  // What the page loads: parts of it, rather than operations of the API.
  router.use('/docs', (request, response, next) => {
    const name = request.path.slice(1)
    const isSwagger = SWAGGER_FILES.some((known) => known === name)
    if (!['GET', 'HEAD'].includes(request.method) || !(isSwagger || name === START_SCRIPT_NAME)) {
      next()
      return
    }
    prepare(response)
    if (isSwagger) response.sendFile(name, { root: SWAGGER_FOLDER, cacheControl: false })
    else response.type('text/javascript').send(START_SCRIPT)
  })
  return router
}
