import { afterEach, describe, expect, test } from '@jest/globals'
import { processesIn } from './postgres.js'
import { startServer, type TestServer } from './server.js'

let server: TestServer | undefined

afterEach(async () => {
  await server?.dispose()
  server = undefined
})

async function isReady(): Promise<boolean> {
  return (await fetch(`${server?.url}/readyz`).catch(() => undefined))?.status === 200
}

describe('the server as a process', () => {
  test('serves on a test database, stops with code 0 at SIGTERM, and starts again on the same port', async () => {
    server = await startServer()
    const { url, pid } = server
    expect(await isReady()).toBe(true)
    expect(await server.stop()).toBe(0)
    expect(await isReady()).toBe(false)
    await server.restart()
    expect(server.url).toBe(url)
    expect(server.pid).not.toBe(pid)
    expect(await isReady()).toBe(true)
  })

  test('knows the key of the tests, and logs no key', async () => {
    server = await startServer()
    const list = (key: string) =>
      fetch(`${server?.url}/uploads`, { headers: { authorization: `Bearer ${key}` } }).then(
        ({ status }) => status,
      )
    expect(await list(server.key)).toBe(200)
    expect(await list('another-key-0123456789')).toBe(401)
    expect(server.logs()).not.toContain(server.key)
  })

  test('an embedded PostgreSQL outlives a kill -9, is adopted by the restart, and stops with the server', async () => {
    server = await startServer({ embedded: true })
    const dataFolder = `${server.dataDir}/postgres/data`
    await server.kill()
    expect(await isReady()).toBe(false)
    const survivors = await processesIn(dataFolder)
    expect(survivors).not.toEqual([])
    await server.restart()
    expect(await processesIn(dataFolder)).toEqual(expect.arrayContaining([survivors[0]]))
    expect(server.logs()).toContain('was running already')
    expect(await server.stop()).toBe(0)
    expect(await processesIn(dataFolder)).toEqual([])
  })

  test('a server that cannot start says so with its log', async () => {
    await expect(startServer({ env: { UPLOAD_TTL: 'soon' } })).rejects.toThrow(
      /The server has ended.*UPLOAD_TTL/s,
    )
  })
})
