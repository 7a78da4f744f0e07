// What a script of ten lines does: every file of a folder by tus-js-client, one after the other.
//   ANTIPASTO_URL=… AUTHORIZATION=… node tus-loop.js FOLDER

import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Upload } from 'tus-js-client'

const [folder = ''] = process.argv.slice(2)
const { ANTIPASTO_URL: url, AUTHORIZATION: authorization = '' } = process.env

for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
  if (entry.isFile()) await send(join(entry.parentPath, entry.name))
}

function send(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // The types know no streams of Node, the client does.
    const file = createReadStream(path) as unknown as Blob
    new Upload(file, {
      endpoint: `${url}/uploads`,
      headers: { Authorization: authorization },
      metadata: { filename: basename(path) },
      onSuccess: () => resolve(),
      onError: reject,
    }).start()
  })
}
