// A connection on which nothing comes any more. When the network swallows what is sent, TCP goes on trying for a quarter of an
// hour, and whoever waits for an answer with it: here it is noticed in seconds.

import net from 'node:net'
import pg from 'pg'

export interface SilenceLimits {
  /** Default: 12 s, longer than the pool keeps an idle connection, so that only what somebody waits for is looked after. */
  silenceMs?: number
  /** Default: 150 s, longer than any transaction of ours may take: past that it is the connection, whoever else is answered. */
  longestMs?: number
  /** Default: 3 s. */
  probeMs?: number
}

/**
 * Makes sockets for `pg` (its option `stream`) that break, with ETIMEDOUT, when the database has gone silent.
 *
 * A long statement is silent, too. So after 12 s of silence another connection asks the database whether it lives: when it does,
 * the silent one is waited for, at most 150 s; when there is no answer within 3 s, it breaks.
 */
export function breakingWhenSilent(databaseUrl: string, limits: SilenceLimits = {}): () => net.Socket {
  const { silenceMs = 12_000, longestMs = 150_000, probeMs = 3_000 } = limits
  let probing: Promise<boolean> | undefined
  /** However many are silent, one question at a time. */
  const isAlive = (): Promise<boolean> => {
    probing ??= answers(databaseUrl, probeMs).finally(() => {
      probing = undefined
    })
    return probing
  }
  return () => {
    const socket = new net.Socket()
    let silentMs = 0
    let heardBytes = 0
    // Told once, silenceMs after the last byte in either direction; with TLS around it, too.
    socket.on('timeout', async () => {
      silentMs = socket.bytesRead === heardBytes ? silentMs + silenceMs : silenceMs
      heardBytes = socket.bytesRead
      const isWorthWaiting = silentMs < longestMs && (await isAlive())
      if (socket.destroyed) return
      // After a pause of this whole process, the clock is heard before the network.
      const hasSpokenMeanwhile = socket.bytesRead !== heardBytes
      if (isWorthWaiting || hasSpokenMeanwhile) socket.setTimeout(silenceMs)
      else socket.destroy(Object.assign(new Error('The database has gone silent.'), { code: 'ETIMEDOUT' }))
    })
    socket.setTimeout(silenceMs)
    return socket
  }
}

async function answers(databaseUrl: string, probeMs: number): Promise<boolean> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'antipasto probe',
    connectionTimeoutMillis: probeMs,
    query_timeout: probeMs,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch (error) {
    // A refusal is an answer, too: who gets one on an old connection will be told the same.
    return error instanceof pg.DatabaseError
  } finally {
    void client.end().catch(() => {})
  }
}
