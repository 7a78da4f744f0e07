// Fifty files as a lake survey would send them: folders in folders, names from three operating systems, empty ones, the same
// content under several paths, and some too large for one request's patience.

import { bytesFrom, type Digests, digestsOf } from './evidence.js'
import { PART_BYTES } from './s3-ground.js'

/** By tus-js-client, as a raw body, in a form, as a session of ranges. */
export const WAYS = ['tus', 'raw', 'form', 'session'] as const
export type Way = (typeof WAYS)[number]

export interface SurveyFile {
  readonly way: Way
  /** As its user spells it: perhaps not in NFC. */
  readonly path: string
  /** False: only its name is sent, and stands for the path. */
  readonly sendsPath: boolean
  readonly mediaType: string
  readonly bytes: Buffer
  readonly digests: Digests
  /** How many uploads tus-js-client makes of it. */
  readonly parallelUploads: number
}

const MIB = 1024 * 1024

/** Their content is of another file, too: two in the list, one beside the package. */
export const LOGGER_BYTES = bytesFrom(2, 6_000_001)

/** An umlaut as a Mac writes it: the letter, then the dots. */
const decomposed = (text: string) => text.normalize('NFD')

const LARGE: readonly [Way, string, Buffer, number?][] = [
  ['tus', 'raw data/station 1/logger.bin', bytesFrom(1, 21 * MIB + 3), 3],
  ['tus', 'raw data/station 2/logger.bin', LOGGER_BYTES, 2],
  ['tus', 'raw data/station 3/logger.bin', bytesFrom(3, 2_000_003), 4],
  ['tus', decomposed('video/Überflug Müggelsee.mp4'), bytesFrom(4, PART_BYTES + 70_001)],
  ['raw', 'backup/station 2/logger (copy).bin', LOGGER_BYTES],
  ['form', 'images/orthophoto.tif', bytesFrom(5, 3 * MIB + 1)],
  ['session', 'model/output/run 1.nc', bytesFrom(6, PART_BYTES + 5)],
]

/** Those of test/packages/eml/lake.xml, which names two without their folders. */
export const OF_THE_DOCUMENT = [
  'data/lake_temperature.csv',
  'data/R&D <inflow> “v2”.csv',
  'code/model.R',
  'photographs.zip',
]

const SMALL = [
  ...OF_THE_DOCUMENT,
  'data/2024/depth 01 m/means.csv',
  'data/2024/depth 02 m/means.csv',
  'data/2024/depth 05 m/means.csv',
  'data/2024/depth 10 m/means.csv',
  'data/"quoted" name.csv',
  "data/it's; a, b.csv",
  'data/100% sure?.csv',
  'data/#1 [a] {b} ~c^.csv',
  'data/a+b=c&d.csv',
  'data/.hidden',
  'data/no extension',
  decomposed('data/Čeština/příliš žluťoučký.csv'),
  decomposed('data/Ångström.csv'),
  'data/日本語/水温.csv',
  'data/Ελληνικά.csv',
  'data/😀 emoji.csv',
  'data/a/b/c/d/e/f/g/h/deep.csv',
  'README',
  'LICENSE.txt',
  'eml.xml',
]

const ENOUGH = 50

export function surveyFiles(): SurveyFile[] {
  const large = LARGE.map(([way, path, bytes, parallel = 1]) => aFile(way, path, bytes, parallel))
  // Each way brings one: nothing at all, and the same four lines.
  const special = WAYS.flatMap((way) => [
    aFile(way, `empty/by ${way}.csv`, Buffer.alloc(0)),
    aFile(way, `same/by ${way}.csv`, Buffer.from('a,b\n1,2\n3,4\n5,6\n')),
  ])
  const small = SMALL.map((path, i) => aFile(turn(i), path, bytesFrom(100 + i, 1 + i * 1_777)))
  const given = [...large, ...special, ...small]
  const rest = Array.from({ length: ENOUGH - given.length }, (_, i) =>
    // One crosses the size up to which a file takes the short cut.
    aFile(turn(i), `series/${i}/values.csv`, bytesFrom(200 + i, i === 3 ? 131_073 : 40 + i)),
  )
  return [...given, ...rest]
}

const turn = (i: number): Way => WAYS[i % WAYS.length] ?? 'tus'

function aFile(way: Way, path: string, bytes: Buffer, parallelUploads = 1): SurveyFile {
  const mediaType = path.endsWith('.csv') ? 'text/csv' : 'application/octet-stream'
  const sendsPath = path.includes('/')
  return { way, path, sendsPath, mediaType, bytes, digests: digestsOf(bytes), parallelUploads }
}

export function nameOf({ path }: SurveyFile): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
