// The ways to sign in that the server offers besides a key.

/** Somebody who tells the IAM who one is. */
export interface Provider {
  name: string
  /** Leads to the IAM by way of our server. */
  url: string
}

/** Empty when keys are all there is, or when the server can't be asked now. Throws nothing. */
export async function fetchProviders(): Promise<Provider[]> {
  try {
    const response = await fetch(new URL('sign-in', document.baseURI), {
      headers: { Accept: 'application/json' },
    })
    return response.ok ? readProviders(await response.json()) : []
  } catch {
    return []
  }
}

/** Reads the answer of `GET /sign-in`; ways that this page doesn't know are left out. Pure. */
export function readProviders(answer: unknown): Provider[] {
  if (typeof answer !== 'object' || answer === null || !('methods' in answer)) return []
  return Array.isArray(answer.methods) ? answer.methods.flatMap(readProvider) : []
}

function readProvider(method: unknown): Provider[] {
  if (typeof method !== 'object' || method === null) return []
  const { type, name, url } = method as Record<string, unknown>
  if (type !== 'redirect' || typeof name !== 'string' || typeof url !== 'string') return []
  return /^https?:\/\//.test(url) && URL.canParse(url) ? [{ name, url }] : []
}
