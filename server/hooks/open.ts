// The check that the settings ask for.

import { CommandCheck } from './command.js'
import type { ContentCheck } from './content-check.js'
import { Gate } from './gate.js'
import { ServiceCheck } from './service.js'

export interface ContentCheckSettings {
  /** At most one of both. */
  onReadyCommand: string | undefined
  onReadyUrl: string | undefined
  onReadyTimeoutSeconds: number
  /** What a command gets of this server's own environment: PATH and LANG, no secret. */
  commandEnvironment: Readonly<Record<string, string>>
}

/** @returns null when none is asked for */
export function openContentCheck(settings: ContentCheckSettings): ContentCheck | null {
  const { onReadyCommand, onReadyUrl, onReadyTimeoutSeconds, commandEnvironment } = settings
  if (onReadyCommand !== undefined) {
    return new Gate(new CommandCheck(onReadyCommand, commandEnvironment), onReadyTimeoutSeconds)
  }
  return onReadyUrl === undefined ? null : new Gate(new ServiceCheck(onReadyUrl), onReadyTimeoutSeconds)
}
