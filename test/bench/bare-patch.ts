// The least that sending a file can cost in Node: creation, then one PATCH that the file is piped into.
//   ANTIPASTO_URL=… AUTHORIZATION=… node bare-patch.js FILE

import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'

const [path = ''] = process.argv.slice(2)
const { ANTIPASTO_URL: origin = '', AUTHORIZATION: authorization = '' } = process.env
const READ_BYTES = 1024 * 1024

const { size } = await stat(path)
const headers = { Authorization: authorization, 'Tus-Resumable': '1.0.0' }
const filename = Buffer.from(basename(path)).toString('base64')
const creation = request(`${origin}/uploads`, {
  method: 'POST',
  headers: {
    ...headers,
    'Upload-Length': size,
    'Upload-Metadata': `filename ${filename}`,
    'Content-Length': 0,
  },
}).end()
const { location } = (await answerOf(creation, 201)).headers
const patch = request(String(location), {
  method: 'PATCH',
  headers: {
    ...headers,
    'Upload-Offset': 0,
    'Content-Type': 'application/offset+octet-stream',
    'Content-Length': size,
  },
})
const answer = answerOf(patch, 204)
await pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), patch)
await answer

async function answerOf(sent: ReturnType<typeof request>, status: number): Promise<IncomingMessage> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  if (response.statusCode !== status) throw new Error(`${sent.method} answered ${response.statusCode}.`)
  return response
}
