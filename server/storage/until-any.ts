/**
 * Does `act` with a signal that aborts as soon as one of `sources` does, for its reason.
 *
 * Not AbortSignal.any: Node 20 keeps what it makes for as long as the longest-lived signal lives.
 */
export async function untilAny<T>(
  sources: readonly AbortSignal[],
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController()
  const end = () => ending.abort(sources.find(({ aborted }) => aborted)?.reason)
  for (const source of sources) source.addEventListener('abort', end)
  if (sources.some(({ aborted }) => aborted)) end()
  try {
    return await act(ending.signal)
  } finally {
    for (const source of sources) source.removeEventListener('abort', end)
  }
}
