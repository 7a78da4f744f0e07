// Whose address counts as whose: what limits count by. Pure.

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * What stands for everybody who may send from `address`: an IPv4 address itself, of IPv6 the network of /64, which one customer
 * has for itself and may send from any address of. IPv4 inside IPv6 is IPv4.
 *
 * @param address as a socket or X-Forwarded-For tells it: some proxies write the port behind it
 * @returns undefined for what is no address
 */
export function networkOf(address: string | undefined): string | undefined {
  const parsed = parseAddress(address)
  if (parsed === undefined) return undefined
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  const network = parsed.toByteArray().fill(0, 8)
  return `${new ipaddr.IPv6(network)}/64`
}

/**
 * Tells the proxies that TRUST_PROXY names from everybody else; a number of proxies means that whoever connects is one.
 *
 * @param proxies addresses and networks, each valid
 */
export function proxyCheck(proxies: number | readonly string[]): (address: string | undefined) => boolean {
  if (typeof proxies === 'number') return () => proxies > 0
  const networks = proxies.map((network) => {
    const [address = '', bits] = network.split('/')
    const base = ipaddr.process(address)
    return { base, bits: bits === undefined ? base.toByteArray().length * 8 : Number(bits) }
  })
  return (address) => {
    const parsed = parseAddress(address)
    if (parsed === undefined) return false
    return networks.some(({ base, bits }) => parsed.kind() === base.kind() && parsed.match(base, bits))
  }
}

function parseAddress(text: string | undefined): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const [, inBrackets] = /^\[([^\]]+)\](?::\d+)?$/.exec(text ?? '') ?? []
  const [, beforePort] = /^([\d.]+):\d+$/.exec(text ?? '') ?? []
  const [bare = ''] = (inBrackets ?? beforePort ?? text ?? '').split('%')
  // ipaddr.js reads 0x7f.1, too.
  return isIP(bare) === 0 ? undefined : ipaddr.process(bare)
}
