// What the figures were measured on.

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

export interface Machine {
  readonly processor: string
  readonly processorCount: number
  readonly memoryBytes: number
  readonly system: string
  readonly fileSystem: { readonly type: string; readonly mountPoint: string }
  readonly versions: Readonly<Record<string, string>>
}

const MEASURED_PACKAGES = [
  'express',
  '@tus/server',
  '@tus/file-store',
  '@tus/s3-store',
  '@aws-sdk/client-s3',
  'send',
]

/** Describes this machine and the file system that `directory` is on. */
export async function describeMachine(directory: string): Promise<Machine> {
  const processors = cpus()
  const packageVersions = await Promise.all(
    MEASURED_PACKAGES.map(async (name): Promise<[string, string]> => [name, await versionOf(name)]),
  )
  return {
    processor: processors[0]?.model ?? 'unknown',
    processorCount: processors.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    fileSystem: await fileSystemOf(directory),
    versions: { node: process.version, v8: process.versions.v8, ...Object.fromEntries(packageVersions) },
  }
}

/** `df`'s last line is: device, type, blocks, used, available, capacity, mount point. */
async function fileSystemOf(directory: string): Promise<Machine['fileSystem']> {
  const { stdout } = await promisify(execFile)('df', ['-PT', directory])
  const [, type = 'unknown', , , , , mountPoint = 'unknown'] =
    stdout.trim().split('\n').at(-1)?.split(/\s+/) ?? []
  return { type, mountPoint }
}

/** Packages don't all export their package.json, so it is found upward from what they do export. */
async function versionOf(name: string): Promise<string> {
  let folder = dirname(createRequire(import.meta.url).resolve(name))
  while (folder !== dirname(folder)) {
    const description: unknown = await readFile(join(folder, 'package.json'), 'utf8').then(
      JSON.parse,
      () => undefined,
    )
    if (isPackageDescription(description) && description.name === name) return description.version
    folder = dirname(folder)
  }
  return 'unknown'
}

function isPackageDescription(value: unknown): value is { name: string; version: string } {
  return typeof value === 'object' && value !== null && 'name' in value && 'version' in value
}
