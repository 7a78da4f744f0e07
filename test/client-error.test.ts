import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { clientErrorHandler } from '../server/client-error.js'
import { createLog } from '../server/ops/log.js'

let server: Server
let logged = ''

const destination = {
  write: (line: string) => {
    logged += line
  },
}

beforeEach(async () => {
  server = createServer((_req, res) => {
    res.writeHead(200, { 'Content-Length': 10 })
    res.write('12345')
  })
  server.on('clientError', clientErrorHandler(createLog({ level: 'info', destination })))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

test('what is no HTTP has a line with its address', async () => {
  logged = ''
  const answer = await exchange('hello, I am ap_0123456789abcdefghijklmnopq\r\n\r\n')
  const { request_id: id } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))
  expect(
    logged
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { level: 'info', id, address: '127.0.0.1', code: 'HPE_INVALID_METHOD', msg: 'not a request' },
  ])
  expect(logged).not.toContain('ap_0123')
})

/** What the server says until it closes the connection. */
async function exchange(...sent: string[]): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let received = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    const next = sent.shift()
    if (next !== undefined) socket.write(next)
  })
  socket.write(sent.shift() ?? '')
  await new Promise((resolve) => socket.once('close', resolve))
  return received
}

test.each([
  [
    'a negative Content-Length',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
    400,
    'INVALID_INPUT',
  ],
  ['not HTTP', 'hello\r\n\r\n', 400, 'INVALID_INPUT'],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    400,
    'INVALID_INPUT',
  ],
  [
    'headers over 16 KiB',
    `GET / HTTP/1.1\r\nHost: x\r\nUpload-Metadata: ${'a'.repeat(20_000)}\r\n\r\n`,
    431,
    'INVALID_INPUT',
  ],
])('What the parser refuses is problem+json too: %s', async (_name, sent, status, code) => {
  const [head, body] = (await exchange(sent)).split('\r\n\r\n')
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(head).toContain('Content-Type: application/problem+json')
  const problem = JSON.parse(body!)
  expect(problem).toMatchObject({ status, code })
  expect(head).toContain(`X-Request-ID: ${problem.request_id}`)
})

test("Garbage after a request doesn't get into the answer that is being sent", async () => {
  const received = await exchange('GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'garbage\r\n\r\n')
  expect(received.endsWith('\r\n\r\n12345')).toBe(true)
})
