// Which addresses belong to everybody, and so may be called on somebody's behalf. Pure.

import ipaddr from 'ipaddr.js'

/**
 * True for a unicast address of the public internet; false for private, loopback, link-local, shared, multicast, reserved and
 * documentation addresses, and for what is no address.
 *
 * What carries an IPv4 address inside (mapped, NAT64, 6to4) is what it carries.
 */
export function isPublicAddress(text: string): boolean {
  // ipaddr.js takes the IPv4-compatible ::a.b.c.d, which leads nowhere, for the mapped ::ffff:a.b.c.d.
  if (!ipaddr.isValid(text) || /^::[\d.]+$/.test(text)) return false
  const address = ipaddr.parse(text)
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast'
  const inside = carriedIPv4(address)
  if (inside !== undefined) return inside.range() === 'unicast'
  return address.range() === 'unicast' && address.match(GLOBAL_UNICAST) && !isIsatap(address)
}

// RFC 4291 §2.4 and IANA: all that is assigned lies in it. ipaddr.js also calls ::a.b.c.d "unicast".
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

// RFC 6052 §2.1. 64:ff9b:1::/48 (RFC 8215) is for a network's own use, so it stays refused.
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96')

function carriedIPv4(address: ipaddr.IPv6): ipaddr.IPv4 | undefined {
  const bytes = address.toByteArray()
  if (address.range() === 'ipv4Mapped' || address.match(NAT64)) return new ipaddr.IPv4(bytes.slice(12))
  if (address.range() === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6))
  return undefined
}

/** RFC 5214 §6.1: an interface that tunnels to the IPv4 address in its last 32 bits. */
function isIsatap(address: ipaddr.IPv6): boolean {
  const [high = 0, low = 0] = address.parts.slice(4, 6)
  return (high === 0 || high === 0x0200) && low === 0x5efe
}
