// What a broken connection means, for people: by the system's code, in one sentence that says what to look at.

import { ConnectionFailed } from './errors.js'

/** The error of what `fetch`, or Node, threw when no answer came. */
export function connectionFailed(error: unknown, url: URL): ConnectionFailed {
  const code = codeOf(error)
  const words = connectionWords(code, url)
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
  // Such as "bad port": fetch refuses some before it connects.
  const isTelling = code === null && /^[\x20-\x7e]{1,100}$/.test(cause)
  return new ConnectionFailed(isTelling ? words.replace(/\.$/, `: ${cause}.`) : words, { code, cause: error })
}

/** The system's code, which fetch hides under its cause, and Node under the first of several addresses. */
function codeOf(error: unknown): string | null {
  for (let at = error, depth = 0; typeof at === 'object' && at !== null && depth < 5; depth += 1) {
    if ('code' in at && typeof at.code === 'string' && at.code !== '') return at.code
    if ('errors' in at && Array.isArray(at.errors) && at.errors.length > 0) at = at.errors[0]
    else at = 'cause' in at ? at.cause : null
  }
  return null
}

export function connectionWords(code: string | null, { hostname, host, protocol }: URL): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The name ${hostname} was not found. Check the server's URL and the network.`
    case 'ECONNREFUSED':
      return `Nothing listens at ${host}. Check the server's URL, and whether the server runs.`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return `There is no way to ${host}. Check the network.`
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return `${host} does not answer. Check the network, and whether a firewall or proxy is in between.`
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return `${host} took too long to answer.`
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return `The connection to ${host} broke.`
    case 'CERT_HAS_EXPIRED':
      return `The TLS certificate of ${host} has expired. Tell the people who run the server.`
    case 'CERT_NOT_YET_VALID':
      return `The TLS certificate of ${host} is not valid yet. Check this computer's clock.`
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `The TLS certificate of ${host} is not signed by anybody whom this computer trusts (${code}). If it is your own, name its file in NODE_EXTRA_CA_CERTS.`
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `The TLS certificate at ${host} is for another name. Check the server's URL.`
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `${host} does not speak TLS. Check the server's URL: maybe http instead of ${protocol.slice(0, -1)}.`
    default:
      return `The connection to ${host} failed${code === null ? '' : ` (${code})`}.`
  }
}
