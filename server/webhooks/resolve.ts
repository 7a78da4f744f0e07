// Where a webhook's host leads, and whether we go there.

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { isPublicAddress } from './address.js'
import { hostOf } from './target.js'

export interface Address {
  address: string
  family: number
}

/** All addresses of a name, as the system knows it. Rejects when there are none. */
export type Resolve = (name: string) => Promise<Address[]>

export const resolveBySystem: Resolve = (name) => lookup(name, { all: true })

export interface Reach {
  resolve: Resolve
  /** True: also private and loopback addresses. */
  allowsPrivate: boolean
}

/** Addresses to connect to, at least one, all of them checked; or why there are none. */
export type Whereabouts = { addresses: Address[]; fault?: never } | { addresses?: never; fault: string }

/**
 * Never rejects. One refused address among several refuses the host: which of them a connection would take is chance.
 *
 * What is answered holds for this connection only. The next one asks again, and a name may have another address then.
 */
export async function findWhereabouts(url: URL, { resolve, allowsPrivate }: Reach): Promise<Whereabouts> {
  const host = hostOf(url)
  const family = isIP(host)
  const addresses = family === 0 ? await resolve(host).catch(() => []) : [{ address: host, family }]
  if (addresses.length === 0) return { fault: `The name ${host} doesn't resolve.` }
  if (allowsPrivate || addresses.every(({ address }) => isPublicAddress(address))) return { addresses }
  return {
    fault: `${host} is or leads to a private, loopback or reserved address, and webhooks of this server don't go there.`,
  }
}
