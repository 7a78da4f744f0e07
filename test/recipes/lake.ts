// A researcher's folder: two files of data, an empty one, and an EML document that names the first two and one more.

import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bytesFrom } from '../end-to-end/evidence.js'

/** More than two chunks of every recipe. */
const LARGE_BYTES = 20 * 1024 ** 2 + 7

export interface Lake {
  readonly folder: string
  readonly files: Readonly<Record<string, Buffer>>
}

/** A new folder. @param seed makes the contents its own, so that each recipe's is new to the server */
export async function newLake(seed: number): Promise<Lake> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-recipe-'))
  const files = {
    'Müggelsee 5 m.csv': Buffer.from(`day,celsius\n1,${seed}\n`),
    'orthophoto.tif': bytesFrom(seed, LARGE_BYTES),
    'empty.txt': Buffer.alloc(0),
  }
  for (const [name, bytes] of Object.entries(files)) await writeFile(path.join(folder, name), bytes)
  await writeFile(path.join(folder, 'eml.xml'), EML)
  return { folder, files }
}

function entity(objectName: string): string {
  return `
    <otherEntity>
      <entityName>${objectName}</entityName>
      <physical>
        <objectName>${objectName}</objectName>
        <dataFormat><externallyDefinedFormat><formatName>text/csv</formatName></externallyDefinedFormat></dataFormat>
      </physical>
      <entityType>table</entityType>
    </otherEntity>`
}

const EML = `<?xml version="1.0" encoding="UTF-8"?>
<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="edi.1.1" system="https://pasta.edirepository.org">
  <dataset>
    <title>Lake survey</title>
    <creator><organizationName>Lake station</organizationName></creator>
    <contact><organizationName>Lake station</organizationName></contact>${entity('Müggelsee 5 m.csv')}${entity('orthophoto.tif')}${entity('inflow.csv')}
  </dataset>
</eml:eml>
`
