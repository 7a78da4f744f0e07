// Stages whose run was killed: their processes live on, and their disks stay mounted.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { killAll } from '../../support/kill.js'
import { processesIn } from '../../support/postgres.js'

const FOLDER_NAME = /^antipasto-stage-(\d+)-/

/** Where a stage of this process begins its folder's name, so that another run finds what is left of it. */
export const STAGE_FOLDER_START = path.join(tmpdir(), `antipasto-stage-${process.pid}-`)

export async function removeLeftStages(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = FOLDER_NAME.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await removeStage(path.join(tmpdir(), name))
  }
}

async function removeStage(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((mount) => mount.startsWith(`${folder}${path.sep}`))
  // The working folders of instances and of PostgreSQL.
  const folders = [folder, ...mounts].flatMap((each) => [each, path.join(each, 'postgres', 'data')])
  const own = await readdir(folder, { withFileTypes: true })
  folders.push(...own.filter((entry) => entry.isDirectory()).map((entry) => path.join(folder, entry.name)))
  for (const each of folders) await killAll(() => processesIn(each))
  for (const mount of mounts) await promisify(execFile)('umount', ['--lazy', mount])
  await rm(folder, { recursive: true, force: true })
}
