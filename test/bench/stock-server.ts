// The servers that ours is measured against, and `send` for downloads, all in one plain Express 5:
// `node stock-server.js bare|digests PORT DIRECTORY`. With STORE=s3 the S3_* and AWS_* variables name the bucket.

import { Server } from '@tus/server'
import express from 'express'
import send from 'send'
import { stockFileStore, stockS3Store } from './stock-stores.js'

const [kind = 'bare', port = '0', directory = '.'] = process.argv.slice(2)
const isDigesting = kind === 'digests'
const { store, digests } =
  process.env.STORE === 's3' ? stockS3Store(process.env, isDigesting) : stockFileStore(directory, isDigesting)
const tus = new Server({ path: '/uploads', datastore: store })

const app = express()
app.get('/readyz', (_request, response) => {
  response.json({ status: 'ready' })
})
app.get('/digests/:id', (request, response) => {
  response.json(digests.get(request.params.id) ?? null)
})
app.get('/sent/:id', (request, response) => {
  send(request, request.params.id, { root: directory }).pipe(response)
})
const uploads = express()
uploads.all('/{*rest}', (request, response) => tus.handle(request, response))
app.use('/uploads', uploads)
app.listen(Number(port), '127.0.0.1')
