// Where a user's things are kept, by the customs of each system. Pure.

import path from 'node:path'
import type { Environment } from './settings.js'

export interface Folders {
  /** The config file's. */
  config: string
  /** What survives between runs: journals of pushes. */
  state: string
}

/**
 * XDG's on Linux and wherever its variables are set, the system's own on macOS and Windows.
 *
 * Source: https://specifications.freedesktop.org/basedir-spec/latest/: a relative path in a variable is ignored.
 */
export function userFolders(environment: Environment): Folders {
  const { platform, home, xdgConfigHome, xdgStateHome, appData, localAppData, stateDir } = environment
  const library = path.join(home, 'Library', 'Application Support', 'antipasto')
  const isMac = platform === 'darwin'
  const isWindows = platform === 'win32'
  const config = isMac
    ? library
    : path.join(isWindows ? (appData ?? home) : path.join(home, '.config'), 'antipasto')
  const state = isMac
    ? path.join(library, 'state')
    : path.join(isWindows ? (localAppData ?? home) : path.join(home, '.local', 'state'), 'antipasto')
  return {
    config: isAbsolute(xdgConfigHome) ? path.join(xdgConfigHome, 'antipasto') : config,
    state: stateDir ?? (isAbsolute(xdgStateHome) ? path.join(xdgStateHome, 'antipasto') : state),
  }
}

function isAbsolute(folder: string | undefined): folder is string {
  return folder !== undefined && path.isAbsolute(folder)
}
