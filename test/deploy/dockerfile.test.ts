// The Dockerfile against the project it copies. It was not built by these tests: they need no Docker.

import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')

/** Each instruction with its arguments, continued lines joined. */
const instructions = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [name = '', ...rest] = line.split(' ')
    return { name, rest: rest.join(' ') }
  })

const lastFrom = instructions.findLastIndex(({ name }) => name === 'FROM')
const build = instructions.slice(0, lastFrom)
const final = instructions.slice(lastFrom)
const argumentsOf = (stage: typeof instructions, wanted: string) =>
  stage.filter(({ name }) => name === wanted).map(({ rest }) => rest)

const ignored = read('.dockerignore')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

test('what is copied from the project is there, and .dockerignore lets it through', () => {
  const sources = argumentsOf(build, 'COPY').flatMap((rest) => rest.split(' ').slice(0, -1))
  expect(sources).toContain('server')
  for (const source of sources) {
    expect([source, existsSync(path.join(ROOT, source))]).toEqual([source, true])
    expect(ignored).toContain(`!${source}`)
  }
  // Nothing else comes along.
  expect(ignored.filter((line) => line.startsWith('!')).length).toBe(sources.length)
  expect(ignored[0]).toBe('*')
})

test('what is copied from the build stage is what the server reads when it runs', () => {
  const sources = argumentsOf(final, 'COPY').map((rest) => rest.replace('--from=build ', '').split(' ')[0])
  expect(sources.sort()).toEqual(
    ['/app/dist', '/app/node_modules', '/app/package.json', '/app/prisma/migrations'].sort(),
  )
})

test('of what is optional the library for native digests is kept', () => {
  const [prune = ''] = argumentsOf(build, 'RUN').filter((rest) => rest.includes('npm prune'))
  expect(prune).toMatch(
    /mv node_modules\/@koromix \/tmp\/ && +npm prune .*&& mv \/tmp\/@koromix node_modules\//,
  )
  const locked = JSON.parse(read('package-lock.json')).packages as Record<string, { optional?: boolean }>
  // Otherwise it is time to take this out again.
  expect(locked['node_modules/@koromix/koffi-linux-x64']?.optional).toBe(true)
})

test('both stages are the same exact version of Node.js, one that package.json allows', () => {
  const images = argumentsOf(instructions, 'FROM').map((rest) => rest.split(' ')[0])
  expect(new Set(images).size).toBe(1)
  const [, major, minor] = /^node:(\d+)\.(\d+)\.\d+-/.exec(images[0] ?? '') ?? []
  const [leastMajor = 0, leastMinor = 0] =
    JSON.parse(read('package.json')).engines.node.match(/\d+/g)?.map(Number) ?? []
  expect(Number(major) * 1000 + Number(minor)).toBeGreaterThanOrEqual(leastMajor * 1000 + leastMinor)
})

test('it runs as nobody special, ends on SIGTERM, and says whether it lives', () => {
  expect(argumentsOf(final, 'USER')).toEqual(['node'])
  expect(final.findIndex(({ name }) => name === 'USER')).toBeLessThan(
    final.findIndex(({ name }) => name === 'CMD'),
  )
  expect(argumentsOf(final, 'STOPSIGNAL')).toEqual(['SIGTERM'])
  expect(argumentsOf(final, 'HEALTHCHECK')[0]).toContain('/healthz')
  expect(argumentsOf(final, 'ENV')[0]).toContain('HOST=0.0.0.0')
})

test('it serves as `npm start` does', () => {
  const [command] = argumentsOf(final, 'CMD').map((rest): string[] => JSON.parse(rest))
  const start: string = JSON.parse(read('package.json')).scripts.start
  expect(start).toContain(`exec ${command?.join(' ')}`)
})
