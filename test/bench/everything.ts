// All that a server of ours holds, when a row's client doesn't say which uploads are its own.

import type { BenchServer } from './servers.js'

const PAGE_LENGTH = 500
const REMOVALS_AT_ONCE = 8

interface Page {
  readonly items: readonly Stored[]
  readonly next_cursor: string | null
}

interface Stored {
  readonly id: string
  readonly state: string
  readonly checksums: { readonly sha256: string } | null
}

/** Throws unless the server holds exactly these contents, each once and ready. @returns the uploads' paths */
export async function checkEverything(
  server: BenchServer,
  sha256s: ReadonlySet<string>,
): Promise<readonly string[]> {
  const paths: string[] = []
  const found = new Set<string>()
  let cursor: string | null = ''
  while (cursor !== null) {
    const page = await pageAt(server, cursor)
    for (const { id, state, checksums } of page.items) {
      if (state !== 'ready') throw new Error(`${id} is in state ${state}.`)
      found.add(checksums?.sha256 ?? '')
      paths.push(`/uploads/${id}`)
    }
    cursor = page.next_cursor
  }
  const isAll = paths.length === sha256s.size && [...sha256s].every((sha256) => found.has(sha256))
  if (isAll) return paths
  throw new Error(
    `${paths.length} uploads of ${found.size} contents, not the ${sha256s.size} that were sent.`,
  )
}

/** The same; then all is removed. */
export async function checkAndRemoveEverything(
  server: BenchServer,
  sha256s: ReadonlySet<string>,
): Promise<void> {
  const queue = (await checkEverything(server, sha256s)).values()
  const run = async () => {
    for (const path of queue) await server.remove(path)
  }
  await Promise.all(Array.from({ length: REMOVALS_AT_ONCE }, run))
}

/** Of what is not deleted yet. */
async function pageAt({ target }: BenchServer, cursor: string): Promise<Page> {
  const query = new URLSearchParams({
    state: 'receiving,finalizing,ready,failed',
    limit: String(PAGE_LENGTH),
    ...(cursor === '' ? {} : { cursor }),
  })
  const response = await fetch(`http://127.0.0.1:${target.port}/uploads?${query}`, {
    headers: { Authorization: target.authorization },
  })
  if (response.status !== 200) throw new Error(`The list answered ${response.status}.`)
  return (await response.json()) as Page
}
