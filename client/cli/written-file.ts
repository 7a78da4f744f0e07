// A result that goes to a file: whole, or the file is as it was.

import { open, realpath, rename, rm, stat } from 'node:fs/promises'

/** Writes `content` beside the file first; an existing one's rights are kept, and a symbolic link stays one. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const target = await realpath(file).catch(() => file)
  const before = await stat(target).catch(() => null)
  // A device or a pipe, as /dev/stdout, can't be replaced.
  if (before !== null && !before.isFile()) {
    const device = await open(target, 'w')
    await device.writeFile(content).finally(() => device.close())
    return
  }
  await replaceWhole(target, content, before === null ? 0o666 : before.mode & 0o777)
}

/** Whatever was at `target`, there is `content` then, with the rights of `mode`. */
export async function replaceWhole(
  target: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const draft = `${target}.${process.pid}.tmp`
  try {
    const next = await open(draft, 'wx', mode)
    try {
      await next.writeFile(content)
      await next.sync()
    } finally {
      await next.close()
    }
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
