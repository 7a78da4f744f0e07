// What was asked for, looked up at the server: one file, or many under one name.

import type { Antipasto } from '../../api/antipasto.js'
import { NotFound } from '../../api/errors.js'
import type { UploadFilters } from '../../api/types.js'
import { CommandFailed, EXIT } from '../exit-code.js'
import type { Target } from '../targets.js'
import { type Listed, listed, type RemoteFile } from './remote-file.js'

export type Found =
  | { kind: 'one'; file: RemoteFile }
  /** `name` for people: "the package lakes". */
  | { kind: 'many'; name: string; files: AsyncIterable<Listed> }

/** @throws NotFound, Gone, and CommandFailed for one that isn't ready */
export async function find(antipasto: Antipasto, target: Target, signal: AbortSignal): Promise<Found> {
  switch (target.kind) {
    case 'retrieval URL': {
      const { url, filename: path } = target
      return { kind: 'one', file: { kind: 'file', id: null, path, url, sizeBytes: null, sha256: null } }
    }
    case 'name':
      return {
        kind: 'many',
        name: `the label ${target.name}`,
        files: labelled(antipasto, target.name, signal),
      }
    case 'id':
      return theFile(antipasto, target.id, signal).then(
        (file): Found => ({ kind: 'one', file }),
        (error: unknown) => {
          if (error instanceof NotFound) return thePackage(antipasto, target.id, signal)
          throw error
        },
      )
  }
}

async function theFile(antipasto: Antipasto, id: string, signal: AbortSignal): Promise<RemoteFile> {
  const file = listed(await antipasto.uploads.report(id, signal))
  if (file.kind === 'file') return file
  throw new CommandFailed(`${file.path} can't be pulled: ${file.reason}.`, { exitCode: EXIT.failed })
}

async function thePackage(antipasto: Antipasto, id: string, signal: AbortSignal): Promise<Found> {
  const { name, label } = await antipasto.packages.get(id, signal)
  return { kind: 'many', name: `the package ${label ?? name}`, files: packaged(antipasto, id, signal) }
}

async function* packaged(antipasto: Antipasto, id: string, signal: AbortSignal): AsyncGenerator<Listed> {
  for await (const report of antipasto.packages.files(id, signal)) yield listed(report)
}

/** Newest first: of two files with one path the newer one is pulled. */
async function* labelled(antipasto: Antipasto, label: string, signal: AbortSignal): AsyncGenerator<Listed> {
  const filters: UploadFilters = { label, state: ['ready', 'receiving', 'finalizing'] }
  for await (const report of antipasto.uploads.list(filters, signal)) yield listed(report)
}
