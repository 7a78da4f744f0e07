// Folders as researchers have them, made from a seed: many small files, some larger, deep, empty, with names of all kinds.

import { createCipheriv, createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { seededRandom, wholeBetween } from './seeded-random.js'

export interface LocalFile {
  /** As the server should know it, with `/`. */
  readonly relativePath: string
  readonly sizeBytes: number
  readonly sha256: string
}

const KIB = 1024
const MIB = 1024 * KIB
const BLOCK_BYTES = 4 * MIB

const FOLDERS = [
  '',
  'sites',
  'sites/Großer Plöner See',
  'sites/Großer Plöner See/2019',
  'sites/琵琶湖 (Biwa)',
  'sites/озеро Байкал/глубина/ноябрь',
  'raw data',
  'raw data/a/b/c/d/e/f/g',
  '.hidden',
  'images/🦆',
]

/** File names that something on the way may read as more than a name. */
const ODD_NAMES = [
  '-rf',
  '--label',
  '100%.csv',
  '%2e%2e',
  'a#b?c&d=e.txt',
  'it\'s "quoted".txt',
  ' leading and trailing ',
  'a+b,c;d:e.csv',
  '$(whoami)`id`',
  '…',
  'ﬀ ligature.txt',
  `${'long'.repeat(50)}.dat`,
  '.DS_Store',
  'CON',
  'file.tar.gz',
  '*[glob]{a,b}?.txt',
]

/**
 * Fills `folder`, which is made: every 16th is empty or has one byte, every 16th is larger than a megabyte, some have the
 * content of another.
 *
 * @returns them by their paths in `folder`, which begin with its own name
 */
export async function makeFolder(
  folder: string,
  { fileCount, seed }: { fileCount: number; seed: number },
): Promise<LocalFile[]> {
  const random = seededRandom(seed)
  const files: LocalFile[] = []
  for (let index = 0; index < fileCount; index += 1) {
    const inside = FOLDERS[index % FOLDERS.length] ?? ''
    const name = ODD_NAMES[index] ?? `${index}-${wholeBetween(random, 0, 1e6)}.csv`
    const relative = path.posix.join(inside, name)
    await mkdir(path.join(folder, inside), { recursive: true })
    // Every 50th has the content of the one with seed 1: two names of one blob.
    const contentSeed = index % 50 === 49 ? 1 : seed * 1_000 + index
    const sizeBytes = contentSeed === 1 ? 5 * KIB : sizeOfNext(random)
    const sha256 = await writeBytes(path.join(folder, relative), sizeBytes, contentSeed)
    files.push({ relativePath: `${path.basename(folder)}/${relative}`, sizeBytes, sha256 })
  }
  return files
}

/** One file of pseudo-random bytes. */
export async function makeFile(file: string, sizeBytes: number, seed: number): Promise<LocalFile> {
  return { relativePath: path.basename(file), sizeBytes, sha256: await writeBytes(file, sizeBytes, seed) }
}

function sizeOfNext(random: () => number): number {
  const kind = wholeBetween(random, 0, 15)
  if (kind === 0) return wholeBetween(random, 0, 1)
  if (kind === 1) return wholeBetween(random, MIB, 4 * MIB)
  if (kind <= 3) return wholeBetween(random, 100 * KIB, MIB)
  return wholeBetween(random, 1, 100 * KIB)
}

/** AES in counter mode: as fast as the disk, without a pattern. @returns the SHA-256 */
async function writeBytes(file: string, sizeBytes: number, seed: number): Promise<string> {
  const key = Buffer.alloc(16)
  key.writeDoubleBE(seed)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(Math.min(sizeBytes, BLOCK_BYTES))
  const hash = createHash('sha256')
  const handle = await open(file, 'wx')
  try {
    for (let written = 0; written < sizeBytes; written += zeros.byteLength) {
      const block = cipher.update(zeros.subarray(0, Math.min(zeros.byteLength, sizeBytes - written)))
      hash.update(block)
      await handle.writeFile(block)
    }
  } finally {
    await handle.close()
  }
  return hash.digest('hex')
}
