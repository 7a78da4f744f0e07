// What a client is told of the limits it is under (draft-ietf-httpapi-ratelimit-headers-10, structured fields). Pure.

/** At most so many requests in so long. */
export interface RatePolicy {
  /** Lowercase letters: it stands in the headers. */
  readonly name: string
  readonly requests: number
  readonly windowSeconds: number
}

/** How one client stands under a policy. */
export interface RateState {
  readonly remainingRequests: number
  /** Until the window ends and the next one has all requests again. */
  readonly resetMs: number
  readonly isOver: boolean
}

/** An item of RateLimit-Policy: `"key";q=600;w=60`. */
export function policyItem({ name, requests, windowSeconds }: RatePolicy): string {
  return `"${name}";q=${requests};w=${windowSeconds}`
}

/** An item of RateLimit: `"key";r=599;t=60`. */
export function stateItem({ name }: RatePolicy, state: RateState): string {
  return `"${name}";r=${Math.max(0, state.remainingRequests)};t=${resetSeconds(state)}`
}

/** Whole seconds, rounded up, at least 1: who comes back after them is in the next window. */
export function resetSeconds({ resetMs }: RateState): number {
  return Math.max(1, Math.ceil(resetMs / 1000))
}
