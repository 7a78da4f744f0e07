// Between what may be changed and what doesn't exist: what may be seen. Pure.

import { AppError, isAppError } from '../errors.js'

/**
 * Does what only some may do. @throws FORBIDDEN instead of NOT_FOUND to who may see what it is about
 *
 * @param see rejects when the asker may not even see it
 */
export async function unlessOnlySeen<T>(act: () => Promise<T>, see: () => Promise<unknown>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!isAppError(error, 'NOT_FOUND')) throw error
    const isSeen = await see().then(
      () => true,
      () => false,
    )
    throw isSeen ? onlySeen() : error
  }
}

export function onlySeen(): AppError {
  return new AppError(
    'FORBIDDEN',
    'This is shared with you, but not for that. Ask its owner, whom the package’s report names.',
  )
}
