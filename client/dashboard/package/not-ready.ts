// Which files keep a package from being finalized, as the server's refusal names them. Pure.

import { ApiError } from '../../api/errors.js'

export interface NamedFile {
  id: string
  path: string
  /** Null where another thing than its state is in the way: its path is the folder of others. */
  state: string | null
}

export interface NotReady {
  /** The first hundred. */
  files: NamedFile[]
  /** All of them. */
  count: number
}

/** Null: it was refused for another reason. */
export function notReadyIn(error: unknown): NotReady | null {
  if (!(error instanceof ApiError)) return null
  const { not_ready: notReady, not_ready_count: count, clashes } = error.details ?? {}
  const files = [...namedIn(notReady, 'id'), ...namedIn(clashes, 'upload_id')]
  if (files.length === 0) return null
  return { files, count: typeof count === 'number' ? count : files.length }
}

function namedIn(list: unknown, idMember: 'id' | 'upload_id'): NamedFile[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((one: Readonly<Record<string, unknown>> | null) => {
    const id = one?.[idMember]
    const path = one?.path
    const state = one?.state
    if (typeof id !== 'string' || typeof path !== 'string') return []
    return [{ id, path, state: typeof state === 'string' ? state : null }]
  })
}
