// The main consumer: pulls as PASTA's Java does, byte for byte on the wire, and with Java itself where there is one.

import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { startServer, type TestServer } from '../support/server.js'
import { bytesFrom, digestsOf, storedFiles } from './evidence.js'
import { get, type RawTus, rawTus } from './raw-tus.js'

const MIB = 1024 * 1024

let server: TestServer
let tus: RawTus

beforeAll(async () => {
  // A reader that pauses longer than this must not be taken for an upload that stalls.
  server = await startServer({ env: { NO_PROGRESS_TIMEOUT: '1s' } })
  tus = rawTus(server)
})

afterAll(() => server.dispose())

async function uploaded(source: Buffer, metadata: Record<string, string> = {}): Promise<Report> {
  const id = await tus.create(source.byteLength, metadata)
  if (source.byteLength > 0) expect((await tus.patch(id, 0, source))?.status).toBe(204)
  return tus.report(id)
}

describe('a pull', () => {
  test('gets 200 at once, exact in length and bytes, whatever Java says it would rather have', async () => {
    const source = bytesFrom(1, 3 * MIB + 1)
    const { retrieval_url: url } = await uploaded(source, { filename: 'lake.csv', filetype: 'text/csv' })
    const answer = await pull(String(url))
    expect(answer.statusLine).toBe('HTTP/1.1 200 OK')
    expect(answer.headers.get('content-length')).toBe(String(source.byteLength))
    expect(answer.headers.get('content-type')).toBe('text/csv')
    expect(answer.headers.has('location')).toBe(false)
    expect(answer.headers.has('content-encoding')).toBe(false)
    expect(answer.headers.has('transfer-encoding')).toBe(false)
    expect(answer.body.equals(source)).toBe(true)
  })

  test('is the same ten times over, one after the other and at once', async () => {
    const source = bytesFrom(2, MIB)
    const { retrieval_url: url } = await uploaded(source)
    for (let i = 0; i < 5; i += 1) expect((await pull(String(url))).body.equals(source)).toBe(true)
    const atOnce = await Promise.all(Array.from({ length: 5 }, () => pull(String(url))))
    for (const { statusLine, body } of atOnce) {
      expect(statusLine).toBe('HTTP/1.1 200 OK')
      expect(body.equals(source)).toBe(true)
    }
  })

  test('finds the size and checksums that report and EML fragment say', async () => {
    const source = bytesFrom(3, 700_001)
    const report = await uploaded(source, { filename: 'säge & "mehl" <1>.csv', filetype: 'text/csv' })
    const answer = await get(String(report.eml_url), { Authorization: `Bearer ${server.key}` })
    const eml = answer.body.toString()
    const [element, text] = [
      (name: string) => unescapeXml(new RegExp(`<${name}[^>]*>([^<]*)</${name}>`).exec(eml)?.[1] ?? ''),
      (method: string) => new RegExp(`<authentication method="${method}">([^<]*)<`).exec(eml)?.[1],
    ]
    expect(element('url')).toBe(report.retrieval_url)
    expect(element('objectName')).toBe('säge & "mehl" <1>.csv')
    const { body } = await pull(element('url'))
    const { md5, sha1, sha256 } = digestsOf(body)
    expect(element('size')).toBe(String(body.byteLength))
    // PASTA compares untrimmed.
    expect(text('MD5')).toBe(md5)
    expect(text('SHA-1')).toBe(sha1)
    expect(report.checksums).toEqual({ md5, sha1, sha256 })
  })

  test.each([
    'lake temperature.csv',
    '100% of it.csv',
    '50%25.csv',
    'site #7?.csv',
    'a+b&c=d;e.csv',
    '湖の水温.csv',
    'données “brutes”.csv',
    "it's (new)!*.csv",
    '🐟.csv',
  ])('works with the URL as it was handed out for %p, character by character', async (filename) => {
    const source = Buffer.from(`content of ${filename}`)
    const { retrieval_url: url } = await uploaded(source, { filename })
    expect(url).toMatch(/^http:\/\/[\w.:-]+\/r\/[\w-]{16,}\/[\w.~%-]+$/)
    expect(decodeURIComponent(String(url).split('/').at(-1) ?? '')).toBe(filename)
    const answer = await pull(String(url))
    expect(answer.statusLine).toBe('HTTP/1.1 200 OK')
    expect(answer.body.equals(source)).toBe(true)
  })

  test('gets an empty file as 200 with nothing in it, and its uploader a warning that PASTA refuses it', async () => {
    const report = await uploaded(Buffer.alloc(0))
    expect(report.warnings).toEqual([expect.stringContaining('PASTA')])
    const answer = await pull(String(report.retrieval_url))
    expect([answer.statusLine, answer.headers.get('content-length')]).toEqual(['HTTP/1.1 200 OK', '0'])
  })

  test('has no URL before the upload is ready, and a guessed one is 404', async () => {
    const id = await tus.create(10)
    expect((await tus.report(id)).retrieval_url).toBeNull()
    const guesses = [id, 'A'.repeat(43)]
    for (const guess of guesses) {
      const answer = await pull(`${server.url}/r/${guess}/lake.csv`)
      expect(answer.statusLine).toBe('HTTP/1.1 404 Not Found')
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    }
    expect((await tus.patch(id, 0, Buffer.alloc(9)))?.status).toBe(204)
    expect((await tus.report(id)).retrieval_url).toBeNull()
  })

  test('is 410 after the upload was deleted, and the bytes are gone', async () => {
    const report = await uploaded(bytesFrom(4, 200_000))
    expect((await pull(String(report.retrieval_url))).statusLine).toBe('HTTP/1.1 200 OK')
    expect((await tus.remove(report.id)).status).toBe(204)
    expect((await pull(String(report.retrieval_url))).statusLine).toBe('HTTP/1.1 410 Gone')
    expect((await storedFiles(server.dataDir)).objects).not.toContain(report.id)
  })

  test('is 410 as soon as the upload has expired', async () => {
    const brief = await startServer({ env: { UPLOAD_TTL: '3s', SWEEP_CRON: '0 0 1 1 *' } })
    try {
      tus = rawTus(brief)
      const report = await uploaded(bytesFrom(5, 200_000))
      expect((await pull(String(report.retrieval_url))).statusLine).toBe('HTTP/1.1 200 OK')
      await sleep(new Date(String(report.expires_at)).getTime() - Date.now() + 100)
      expect((await pull(String(report.retrieval_url))).statusLine).toBe('HTTP/1.1 410 Gone')
    } finally {
      tus = rawTus(server)
      await brief.dispose()
    }
  })

  test('may pause for seconds and is not cut', async () => {
    const source = bytesFrom(6, 48 * MIB)
    const { retrieval_url: url } = await uploaded(source)
    const answer = await pull(String(url), { pauseMs: 4000 })
    expect(answer.body.byteLength).toBe(source.byteLength)
    expect(answer.body.equals(source)).toBe(true)
  })

  test('breaks when the store cannot give all bytes: never a short body that looks whole', async () => {
    const report = await uploaded(bytesFrom(7, 4 * MIB))
    await truncate(path.join(server.dataDir, 'store/objects', report.id), MIB + 5)
    const answer = await pull(String(report.retrieval_url))
    expect(answer.headers.get('content-length')).toBe(String(4 * MIB))
    expect(answer.isBroken).toBe(true)
    expect(answer.body.byteLength).toBeLessThanOrEqual(MIB + 5)
  })

  test('is an error, not an empty file, when the object is not in the store', async () => {
    const report = await uploaded(bytesFrom(8, 200_000))
    await rm(path.join(server.dataDir, 'store/objects', report.id))
    const answer = await pull(String(report.retrieval_url))
    expect(Number(answer.statusLine.split(' ')[1])).toBeGreaterThanOrEqual(400)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  })
})

const JAVA = `
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.security.MessageDigest;
import java.util.HexFormat;

public class Pull {
  public static void main(String[] urls) throws Exception {
    for (String url : urls) {
      HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
      MessageDigest md5 = MessageDigest.getInstance("MD5");
      MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
      long size = 0;
      byte[] buffer = new byte[8192];
      try (InputStream in = connection.getInputStream()) {
        for (int n; (n = in.read(buffer)) > 0; size += n) {
          md5.update(buffer, 0, n);
          sha1.update(buffer, 0, n);
        }
      }
      System.out.println(connection.getResponseCode() + " " + connection.getURL().equals(new URL(url)) + " "
        + connection.getContentLengthLong() + " " + size + " "
        + HexFormat.of().formatHex(md5.digest()) + " " + HexFormat.of().formatHex(sha1.digest()));
    }
  }
}
`

describe('Java itself', () => {
  const testWithJava = hasJava() ? test : test.skip

  testWithJava(
    'pulls through HttpURLConnection, again and again, with matching digests (needs java and javac)',
    async () => {
      const source = bytesFrom(9, 5 * MIB + 1)
      const { md5, sha1 } = digestsOf(source)
      const report = await uploaded(source, { filename: '湖 100% #1.csv' })
      const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-java-'))
      try {
        await writeFile(path.join(folder, 'Pull.java'), JAVA)
        await promisify(execFile)('javac', ['Pull.java'], { cwd: folder })
        const urls = Array.from({ length: 3 }, () => String(report.retrieval_url))
        const { stdout } = await promisify(execFile)('java', ['-cp', folder, 'Pull', ...urls])
        const size = source.byteLength
        expect(stdout.trim().split('\n')).toEqual(urls.map(() => `200 true ${size} ${size} ${md5} ${sha1}`))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  )
})

interface Pulled {
  readonly statusLine: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** The connection ended before Content-Length bytes had come. */
  readonly isBroken: boolean
}

/** What Java 17 writes to the socket, the URL's characters as they are. */
async function pull(url: string, { pauseMs = 0 } = {}): Promise<Pulled> {
  const [, host = '', port = '', target = ''] = /^http:\/\/([^/:]+):(\d+)(\/.*)$/.exec(url) ?? []
  const socket = net.connect({ host, port: Number(port) })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(
    `GET ${target} HTTP/1.1\r\nUser-Agent: Java/17.0.15\r\nHost: ${host}:${port}\r\n` +
      'Accept: text/html, image/gif, image/jpeg, */*; q=0.2\r\nConnection: keep-alive\r\n\r\n',
  )
  const chunks: Buffer[] = []
  let head: { statusLine: string; headers: Map<string, string>; lengthBytes: number } | undefined
  let receivedBytes = 0
  let hasPaused = pauseMs === 0
  for await (const chunk of untilBroken(socket)) {
    chunks.push(chunk)
    receivedBytes += chunk.byteLength
    head ??= parseHead(Buffer.concat(chunks))
    if (head !== undefined && receivedBytes >= head.lengthBytes) break
    if (!hasPaused && receivedBytes > MIB) {
      hasPaused = true
      await sleep(pauseMs)
    }
  }
  socket.destroy()
  if (head === undefined) throw new Error('The connection ended before an answer had come.')
  const all = Buffer.concat(chunks)
  const body = all.subarray(all.indexOf('\r\n\r\n') + 4)
  return { ...head, body, isBroken: receivedBytes < head.lengthBytes }
}

async function* untilBroken(socket: net.Socket): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of socket) yield chunk
  } catch {
    // A reset ends it like a close.
  }
}

/** `lengthBytes` is the whole answer's, head and body. */
function parseHead(
  bytes: Buffer,
): { statusLine: string; headers: Map<string, string>; lengthBytes: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers = new Map(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  return { statusLine, headers, lengthBytes: end + 4 + Number(headers.get('content-length')) }
}

function unescapeXml(text: string): string {
  const characters: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replaceAll(/&(\w+);/g, (whole, name) => characters[name] ?? whole)
}

function hasJava(): boolean {
  try {
    for (const command of ['java', 'javac']) execFileSync(command, ['-version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
