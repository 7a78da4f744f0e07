import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type CuttingProxy, startCuttingProxy } from '../../end-to-end/cutting-proxy.js'
import { HttpReader, type MessageHead } from './http-reader.js'
import { Traffic } from './traffic.js'

describe('of a real server behind the proxy', () => {
  let line: CuttingProxy
  let server: http.Server
  let traffic: Traffic
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })

  beforeEach(async () => {
    traffic = new Traffic()
    line = await startCuttingProxy(traffic.watchConnection)
    server = http.createServer((request, response) => {
      request.resume().once('end', () => {
        if (request.method === 'HEAD')
          response.writeHead(200, { 'Content-Length': '5', 'Upload-Offset': '5' })
        else if (request.method === 'PATCH') response.writeHead(204, { 'Upload-Offset': '9' })
        else response.writeHead(200).write('chunked')
        response.end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    line.forwardTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  })

  afterEach(async () => {
    await line.close()
    server.closeAllConnections()
    server.close()
  })

  function ask(
    method: string,
    path: string,
    headers: http.OutgoingHttpHeaders,
    ...body: Buffer[]
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = http.request(`${line.url}${path}`, { method, headers, agent }, (response) => {
        response.resume().once('end', resolve)
      })
      request.once('error', reject)
      for (const bytes of body) request.write(bytes)
      request.end()
    })
  }

  test('tells bodies of both framings, and each answer by its request, on one connection', async () => {
    await ask('POST', '/a', {}, Buffer.alloc(100_000, '\r\n'), Buffer.alloc(7))
    await ask('HEAD', '/b', {})
    await ask('PATCH', '/c', { 'Content-Length': 300_000, 'Upload-Offset': 4 }, Buffer.alloc(300_000))
    await ask('GET', '/d', {})
    expect(
      traffic.exchanges.map(({ method, path, bodyBytes, answer }) => [
        `${method} ${path}`,
        bodyBytes,
        answer?.status,
        answer?.headers.get('upload-offset'),
      ]),
    ).toEqual([
      ['POST /a', 100_007, 200, undefined],
      ['HEAD /b', 0, 200, '5'],
      ['PATCH /c', 300_000, 204, '9'],
      ['GET /d', 0, 200, undefined],
    ])
    expect(traffic.exchanges[2]?.requestHeaders.get('upload-offset')).toBe('4')
    expect(traffic.bodyBytes).toBe(400_007)
  })

  test('counts of a body that breaks what was passed on', async () => {
    const reached = traffic.reach(50_000)
    const cut = line.cutAfter(60_000)
    const broken = ask('PATCH', '/c', { 'Content-Length': 300_000 }, Buffer.alloc(300_000))
    await expect(broken).rejects.toThrow()
    await Promise.all([cut, reached])
    const [exchange] = traffic.exchanges
    expect(exchange?.answer).toBeNull()
    expect(exchange?.bodyBytes).toBeGreaterThan(59_000)
    expect(exchange?.bodyBytes).toBeLessThan(60_000)
  })
})

describe('a reader', () => {
  const bytes = Buffer.from(
    'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n' +
      'PATCH /b HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /c HTTP/1.1\r\n\r\n',
  )

  test.each([1, 2, 3, 7, 1000])('finds the same in pieces of %d bytes', (pieceBytes) => {
    const heads: MessageHead[] = []
    let bodyBytes = 0
    let ends = 0
    const reader = new HttpReader({
      onHead: (head) => heads.push(head) > 0,
      onBody: (lengthBytes) => {
        bodyBytes += lengthBytes
      },
      onEnd: () => {
        ends += 1
      },
    })
    for (let at = 0; at < bytes.byteLength; at += pieceBytes) reader.read(bytes.subarray(at, at + pieceBytes))
    expect(heads.map(({ startLine }) => startLine)).toEqual([
      'POST /a HTTP/1.1',
      'PATCH /b HTTP/1.1',
      'GET /c HTTP/1.1',
    ])
    expect([bodyBytes, ends]).toEqual([18, 3])
  })
})
