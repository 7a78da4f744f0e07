// What Golden Retriever keeps in this browser, looked at without loading Uppy for it: whether somebody has files there, and
// how they are removed when that one signs out.

/** Golden Retriever's own names, of its version 6 (IndexedDBStore.js). */
const DATABASE = 'uppy-blobs'
const BLOBS = 'files'
const SNAPSHOTS = 'metadata'

/**
 * The name under which one owner's files are kept: another person at the same computer sees none of them.
 *
 * @param owner as `GET /me` tells it
 */
export function shelfOf(owner: string): string {
  return `antipasto-${owner}`
}

export interface Held {
  /** There are files. */
  hasFiles: boolean
  /** Golden Retriever will restore something, were it nothing: it puts that in the place of all that Uppy has. */
  isToBeRestored: boolean
}

/** What is kept of this owner here. */
export async function lookAtHeld(owner: string): Promise<Held> {
  const nothing = { hasFiles: false, isToBeRestored: false }
  const database = await open()
  if (database === null) return nothing
  try {
    const transaction = database.transaction([BLOBS, SNAPSHOTS], 'readonly')
    const shelf = shelfOf(owner)
    const [files, snapshots] = await Promise.all([
      answered(transaction.objectStore(BLOBS).index('store').count(IDBKeyRange.only(shelf))),
      answered(transaction.objectStore(SNAPSHOTS).count(shelf)),
    ])
    return { hasFiles: files > 0, isToBeRestored: snapshots > 0 }
  } catch {
    return nothing
  } finally {
    database.close()
  }
}

/** Removes what is kept of this owner. */
export async function forgetHeld(owner: string): Promise<void> {
  const database = await open()
  if (database === null) return
  try {
    const transaction = database.transaction([BLOBS, SNAPSHOTS], 'readwrite')
    transaction.objectStore(SNAPSHOTS).delete(shelfOf(owner))
    const blobs = transaction.objectStore(BLOBS)
    const keys = await answered(blobs.index('store').getAllKeys(IDBKeyRange.only(shelfOf(owner))))
    for (const key of keys) blobs.delete(key)
    await new Promise((resolve, reject) => {
      transaction.addEventListener('complete', resolve)
      transaction.addEventListener('abort', () => reject(transaction.error))
    })
  } finally {
    database.close()
  }
}

/** Null while there is none, or where the browser keeps nothing: in private windows, for one. */
function open(): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(DATABASE)
      // Golden Retriever makes it as it needs it, and only where there is none.
      request.addEventListener('upgradeneeded', () => request.transaction?.abort())
      request.addEventListener('success', () => resolve(request.result))
      request.addEventListener('error', (event) => {
        event.preventDefault()
        resolve(null)
      })
    } catch {
      resolve(null)
    }
  })
}

function answered<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error))
  })
}
