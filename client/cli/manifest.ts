// `manifest`: the server's bytes as they are. What is signed or compared later must not be written anew here.

import { createHash } from 'node:crypto'
import { DigestMismatch } from '../api/errors.js'
import { CommandFailed, EXIT } from './exit-code.js'
import type { Session } from './session.js'
import { findPackage } from './targets.js'
import { writeWhole } from './written-file.js'

export interface ManifestOptions {
  cbor?: boolean
  output?: string
}

export async function printManifest(
  { antipasto, output, signal }: Session,
  word: string,
  options: ManifestOptions,
): Promise<void> {
  const isCbor = options.cbor === true
  const file = options.output === '-' ? undefined : options.output
  if (isCbor && file === undefined && (process.stdout.isTTY === true || output.isJson)) {
    throw new CommandFailed(output.isJson ? 'CBOR is not JSON.' : 'CBOR is not for a terminal.', {
      exitCode: EXIT.usage,
      hint: 'Say where it shall go by -o FILE.',
    })
  }
  const { id, state, manifest_sha256 } = await findPackage(antipasto, word, signal)
  if (state === 'open') {
    throw new CommandFailed(`The package ${word} has no manifest yet: it is not finalized.`, {
      hint: 'Push its files with --finalize; what is there already is not sent again.',
    })
  }
  const bytes = await antipasto.packages.manifest(id, isCbor ? 'cbor' : 'json', signal)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  if (isCbor && manifest_sha256 !== null && sha256 !== manifest_sha256) {
    throw new DigestMismatch(
      `The manifest arrived with the SHA-256 ${sha256}, and the package says ${manifest_sha256}.`,
    )
  }
  if (file === undefined) {
    process.stdout.write(bytes)
    if (process.stdout.isTTY === true) process.stdout.write('\n')
    return
  }
  await writeWhole(file, bytes)
  output.result({ package_id: id, file, sha256, size: bytes.byteLength }, [])
  output.note(`The manifest is in ${file}.`)
}
