// Where the page is looked at: real servers with what researchers have there, and files that can be sent.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Antipasto } from '../../client/api/antipasto.js'
import { startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'
import { cleanSlate } from './clean-slate.js'
import { type FieldSeason, stageFieldSeason, startContentCheck } from './field-season.js'

const MIB = 1024 * 1024

export interface Ground {
  readonly server: TestServer
  readonly season: FieldSeason
  /** At which nobody has anything. */
  readonly emptyServer: TestServer
  /** Which has people sign in by an IAM; under the name that it calls itself, to which the IAM leads back. */
  readonly iamServer: { readonly url: string }
  readonly files: Readonly<Record<'small' | 'large', string>>
  /** Sends the small file to the server, once more; answers its id. */
  stageSmallFile(): Promise<string>
  /** Takes away what was sent and made while one looked. */
  tidy(): Promise<void>
  dispose(): Promise<void>
}

const SMALL_NAME = 'secchi-depth-2026.csv'

/** @param scale how large the season's files are: field-season.ts */
export async function openGround(scale: number, env: Readonly<Record<string, string>> = {}): Promise<Ground> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-poses-'))
  const check = await startContentCheck()
  const iam = await startIam()
  const [server, emptyServer, iamServer] = await Promise.all([
    startServer({ env: { ...check.env, ...env } }),
    startServer(),
    startServer({ env: iam.env }),
  ])
  const files = {
    small: path.join(folder, SMALL_NAME),
    large: path.join(folder, 'orthomosaic-2026-07.tif'),
  }
  await writeFile(files.small, Buffer.alloc(12_000, 'date,site,depth_m\n'))
  await writeFile(files.large, Buffer.alloc(40 * MIB, 'orthomosaic'))
  const season = await stageFieldSeason(server, { scale })
  return {
    ...{ server, season, emptyServer, files },
    iamServer: { url: iamServer.url.replace('127.0.0.1', 'localhost') },
    async stageSmallFile() {
      const target = `${server.url}/files?filename=${SMALL_NAME}`
      const headers = { Authorization: `Bearer ${server.key}` }
      const answer = await fetch(target, { method: 'POST', headers, body: await readFile(files.small) })
      return ((await answer.json()) as { upload_id: string }).upload_id
    },
    async tidy() {
      const antipasto = new Antipasto({ url: server.url, token: server.key })
      for (const file of Object.values(files)) {
        for await (const { id, filename } of antipasto.uploads.list({ q: path.basename(file) })) {
          if (filename === path.basename(file)) await antipasto.uploads.remove(id)
        }
      }
      for await (const { id, revoked_at } of antipasto.keys.list()) {
        if (revoked_at === null) await antipasto.keys.revoke(id)
      }
      await cleanSlate(emptyServer)
    },
    async dispose() {
      await check.close()
      await Promise.all([server.dispose(), emptyServer.dispose(), iamServer.dispose()])
      await iam.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
