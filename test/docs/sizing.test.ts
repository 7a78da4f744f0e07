// The figures of docs/sizing.md that follow from constants, against those constants.

import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { settings } from '../../server/config/settings.js'
import { SLAB_BYTES } from '../../server/digests/slabs.js'
import { LEAST_PART_BYTES, nextPartBytes } from '../../server/storage/part-plan.js'
import { parseByteCount } from '../../server/units.js'
import { readProjectFile } from './shell-blocks.js'

const page = readProjectFile('docs/sizing.md')
const MIB = 1024 ** 2

/** The number behind `const NAME =`. */
function constant(file: string, name: string): number {
  const found = new RegExp(`^(?:export )?const ${name} = ([\\d_ *]+)$`, 'm').exec(readProjectFile(file))?.[1]
  if (found === undefined) throw new Error(`${file} has no ${name}.`)
  return found
    .split('*')
    .map((factor) => Number(factor.replaceAll('_', '')))
    .reduce((product, factor) => product * factor, 1)
}

const sizeOf = (text: string) => parseByteCount(text.replace(' ', '')) ?? Number.NaN

test('buffers on a disk and their slabs', () => {
  expect(page).toContain(
    `on a disk ${constant('server/compose.ts', 'LOCAL_BUFFER_BYTES') / MIB} MiB in slabs of ${SLAB_BYTES / 1024} KiB`,
  )
})

test('parts by the size of the file, and memory for three and a half of them, in the setting’s steps', () => {
  const rows = [...page.matchAll(/^\| (?:up to )?(\d+ [GT]iB) \| (\d+ MiB) \| (\d+[GM]iB)/gm)].map(
    ([, file = '', part = '', buffer = '']) => ({ file, part, buffer }),
  )
  expect(rows).toHaveLength(4)
  for (const { file, part, buffer } of rows) {
    const sizeBytes = sizeOf(file)
    const start = { partCount: 0, positionBytes: 0, lastPartBytes: 0, sizeBytes }
    expect([file, nextPartBytes(start)]).toEqual([file, sizeOf(part)])
    expect(sizeOf(buffer)).toBeGreaterThanOrEqual(3.5 * sizeOf(part))
  }
  expect(rows[0]?.part).toBe(`${LEAST_PART_BYTES / MIB} MiB`)
  expect(rows[0]?.buffer).toBe(settings.s3BufferBytes.default)
})

test('connections for each instance, and for all', () => {
  const pool = constant('server/database/client.ts', 'MAX_CONNECTIONS')
  const rates = constant('server/guards/rate-counter.ts', 'CONNECTIONS')
  expect(page).toContain(`| queries | up to ${pool} |`)
  expect(page).toContain(`| \`RATE_LIMIT_STORE=postgres\` | up to ${rates} |`)
  // One that listens, and three for their time.
  expect(page).toContain(`max_connections ≥ ${pool + 1 + rates + 3} × instances + 10`)
  expect(Math.floor((100 - 10) / (pool + 1 + rates + 3))).toBe(5)
})

test('nobody else connects to the database', () => {
  const folder = fileURLToPath(new URL('../../../server/', import.meta.url))
  const connecting = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(
      (name) => name.endsWith('.ts') && /new pg\.(Pool|Client)\(/.test(readProjectFile(`server/${name}`)),
    )
    .sort()
  const ofCommands = ['database/dump.ts', 'database/restore.ts', 'sweep/reconcile.ts']
  // The embedded one's start asks whether it answers.
  const counted = ['client', 'cluster', 'migrate', 'notifications', 'silence'].map(
    (name) => `database/${name}.ts`,
  )
  expect(connecting).toEqual([...counted, ...ofCommands, 'guards/rate-counter.ts', 'sweep/sweep.ts'].sort())
})
