// The two servers that ours is measured against, and `send` for downloads, all in one plain Express 5:
// `node stock-server.js bare|digests PORT DIRECTORY`.

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'
import express from 'express'
import send from 'send'

const ALGORITHMS = ['md5', 'sha1', 'sha256'] as const

/** What a user of the stock packages would write to get checksums: a Transform on the way into the store. */
class DigestingFileStore extends FileStore {
  readonly digests = new Map<string, Record<string, string>>()

  override async write(
    readable: IncomingMessage | Readable,
    fileId: string,
    offset: number,
  ): Promise<number> {
    const hashes = ALGORITHMS.map((algorithm) => ({ algorithm, hash: createHash(algorithm) }))
    const hashing = new Transform({
      transform(chunk: Buffer, _encoding, callback) {
        for (const { hash } of hashes) hash.update(chunk)
        callback(null, chunk)
      },
    })
    const [newOffset] = await Promise.all([super.write(hashing, fileId, offset), pipeline(readable, hashing)])
    this.digests.set(
      fileId,
      Object.fromEntries(hashes.map(({ algorithm, hash }) => [algorithm, hash.digest('hex')])),
    )
    return newOffset
  }

  override async remove(fileId: string): Promise<void> {
    this.digests.delete(fileId)
    await super.remove(fileId)
  }
}

const [kind = 'bare', port = '0', directory = '.'] = process.argv.slice(2)
const store = kind === 'digests' ? new DigestingFileStore({ directory }) : new FileStore({ directory })
const tus = new Server({ path: '/uploads', datastore: store })

const app = express()
app.get('/readyz', (_request, response) => {
  response.json({ status: 'ready' })
})
app.get('/digests/:id', (request, response) => {
  response.json((store instanceof DigestingFileStore && store.digests.get(request.params.id)) || null)
})
app.get('/sent/:id', (request, response) => {
  send(request, request.params.id, { root: directory }).pipe(response)
})
const uploads = express()
uploads.all('/{*rest}', (request, response) => tus.handle(request, response))
app.use('/uploads', uploads)
app.listen(Number(port), '127.0.0.1')
