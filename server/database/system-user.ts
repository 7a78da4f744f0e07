// PostgreSQL refuses to run as root: when the server is root, PostgreSQL runs as a system user that already exists.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '../errors.js'

export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

const CANDIDATES = ['postgres', 'nobody']

/** Whom PostgreSQL is to run as; undefined when we aren't root and it may run as we do. */
export async function findUnprivilegedUser(): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of CANDIDATES) {
    const [uid, gid] = await Promise.all([readId('-u', name), readId('-g', name)])
    if (uid && gid) return { uid, gid }
  }
  throw new AppError(
    'UNAVAILABLE',
    `PostgreSQL may not run as root, and this system has no user named ${CANDIDATES.join(' or ')}. ` +
      'Start the server as another user, or set DATABASE_URL.',
  )
}

/** The number, or undefined for a user that doesn't exist. `id` also knows users that are not in /etc/passwd. */
async function readId(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  try {
    const { stdout } = await promisify(execFile)('id', [flag, name])
    return Number(stdout)
  } catch {
    return undefined
  }
}
