// What went wrong, why, and what to do: the same everywhere.

import {
  ApiError,
  ConnectionFailed,
  ForeignAnswer,
  LocalFileDiffers,
  LocalFileFailed,
} from '../../api/errors.js'
import { words } from '../words/words.js'
import { CopyButton } from './copy-button.js'

interface TroubleProps {
  error: unknown
  /** What wasn't done: "The package was not finalized." */
  what?: string
  onRetry?: () => void
}

export function Trouble({ error, what, onRetry }: TroubleProps) {
  const requestId = error instanceof ApiError ? error.requestId : null
  return (
    <div class="note failure" role="alert">
      <p>
        {what !== undefined && <strong>{what} </strong>}
        <span dir="auto">{troubleWords(error)}</span>
      </p>
      {requestId !== null && (
        <p class="request-id">
          {words.common.requestId} <code>{requestId}</code>{' '}
          <CopyButton text={requestId} what={words.common.requestId} />
        </p>
      )}
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}>
          {words.common.tryAgain}
        </button>
      )}
    </div>
  )
}

/** The server's own words say what to do next; faults of this page don't, and are told to the browser's console. */
export function troubleWords(error: unknown): string {
  if (error instanceof ConnectionFailed) return words.frame.unreachable
  if (error instanceof ApiError || error instanceof ForeignAnswer) return error.message
  if (error instanceof LocalFileFailed || error instanceof LocalFileDiffers) return error.message
  console.error(error)
  return words.trouble.unexpected
}
