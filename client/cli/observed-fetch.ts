// fetch that tells of each answer: whether the server has ever answered, and with --verbose what was asked.

type Fetch = typeof globalThis.fetch

export interface FetchObserver {
  onAnswer(answer: Response, wasSignedIn: boolean): void
  /** "GET https://… 200 in 12 ms"; never with a credential, nor a retrieval URL's token, which is one. */
  onLine?(line: string): void
}

export function observedFetch(fetch: Fetch, { onAnswer, onLine }: FetchObserver): Fetch {
  return async (input, init) => {
    const startedAt = performance.now()
    const tell = (outcome: string) => {
      const url = (input instanceof Request ? input.url : String(input)).replace(/\/r\/[^/?]+/, '/r/…')
      onLine?.(
        `${init?.method ?? 'GET'} ${url} ${outcome} in ${Math.round(performance.now() - startedAt)} ms`,
      )
    }
    try {
      const answer = await fetch(input, init)
      onAnswer(answer, new Headers(init?.headers).has('authorization'))
      tell(`${answer.status} ${answer.headers.get('x-request-id') ?? ''}`.trim())
      return answer
    } catch (error) {
      tell('failed')
      throw error
    }
  }
}
