import { type CuttingProxy, startCuttingProxy } from '../../end-to-end/cutting-proxy.js'
import type { Line } from './stage.js'

/** Nobody listens there: what connects to it is refused. */
const NOWHERE = 'http://127.0.0.1:9'

export interface OwnedLine extends Line {
  close(): Promise<void>
}

/** @param serverUrl `http://HOST:PORT`, whatever is spoken there */
export async function startLine(serverUrl: string): Promise<OwnedLine> {
  const proxy: CuttingProxy = await startCuttingProxy()
  proxy.forwardTo(serverUrl)
  return {
    url: proxy.url,
    cut: () => proxy.cut(),
    sever() {
      proxy.forwardTo(NOWHERE)
      proxy.cut()
    },
    stall() {
      void proxy.stallAfter(0)
    },
    delay: (milliseconds) => proxy.delay(milliseconds),
    mend() {
      proxy.forwardTo(serverUrl)
      proxy.delay(0)
      proxy.goOn()
    },
    close: () => proxy.close(),
  }
}
