// Preloaded into a server process (`--import`): says on stdout what can't be seen from outside.

import http from 'node:http'
import { Readable } from 'node:stream'

const { listen } = http.Server.prototype
http.Server.prototype.listen = function (this: http.Server, ...given: unknown[]) {
  console.log(`[watch] requestTimeout=${this.requestTimeout}`)
  return Reflect.apply(listen, this, given)
} as typeof listen

for (const name of ['toWeb', 'fromWeb'] as const) {
  const convert = Readable[name]
  Object.assign(Readable, {
    [name]: (...given: unknown[]) => {
      console.log(`[watch] Readable.${name}`)
      return Reflect.apply(convert, Readable, given)
    },
  })
}

globalThis.ReadableStream = new Proxy(globalThis.ReadableStream, {
  construct(target, given, newTarget) {
    console.log('[watch] new ReadableStream')
    return Reflect.construct(target, given, newTarget)
  },
})
