// Which proxy the variables of the environment name for a URL, as undici's EnvHttpProxyAgent understands them. Pure.

export interface ProxyVariables {
  httpProxy?: string | undefined
  httpsProxy?: string | undefined
  noProxy?: string | undefined
}

/** Null: requests go straight to the server. */
export function proxyFor(url: URL, { httpProxy, httpsProxy, noProxy }: ProxyVariables): string | null {
  const proxy = url.protocol === 'https:' ? (httpsProxy ?? httpProxy) : httpProxy
  if (proxy === undefined || isExempt(url, noProxy ?? '')) return null
  return proxy
}

/** The proxy without the user and the password that may be in its URL. */
export function withoutSecrets(proxy: string): string {
  const url = URL.canParse(proxy) ? new URL(proxy) : null
  // `ada:secret@proxy` is a URL of the scheme `ada:` to the parser.
  if (url === null || !/^https?:$/.test(url.protocol)) return proxy.replace(/^.*@/s, '')
  url.username = ''
  url.password = ''
  return url.href
}

function isExempt({ hostname, port, protocol }: URL, noProxy: string): boolean {
  if (noProxy.trim() === '*') return true
  const wantedPort = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  return noProxy
    .toLowerCase()
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const [, host = '', entryPort] = /^(.+?)(?::(\d+))?$/.exec(entry) ?? []
      if (entryPort !== undefined && entryPort !== wantedPort) return false
      const name = host.replace(/^\*?\./, '')
      return hostname === name || hostname.endsWith(`.${name}`)
    })
}
