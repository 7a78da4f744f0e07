// docker-compose.yml against what the server knows of itself. It was not run by these tests: they need no Docker.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { configTable, readConfig } from '../../server/config.js'
import { composeVariables, readCompose, type Service } from './compose-file.js'

const compose = readCompose()
const services = Object.entries(compose.services)
const [app1, app2, migrate] = ['app1', 'app2', 'migrate'].map((name) => compose.services[name] ?? {})

function environmentOf(service: Service | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(service?.environment ?? {}).map(([name, value]) => [name, String(value)]),
  )
}

describe('the instances', () => {
  test('are two of the same, and the migration is a third that ends', () => {
    for (const service of [app2, migrate]) {
      expect(service?.build).toBe(app1?.build)
      expect(service?.image).toBe(app1?.image)
      expect(environmentOf(service)).toEqual(environmentOf(app1))
    }
    expect(app1?.command).toBeUndefined() // The image's own: serve.
    expect(migrate?.command).toEqual(['node', 'dist/server/main.js', 'migrate'])
    expect(migrate?.restart).toMatch(/^(no|on-failure(:\d+)?)$/)
  })

  test('are given no variable that nobody reads', () => {
    const known = new Set([
      ...configTable().map((row) => row.name),
      // The AWS SDK's.
      ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
    ])
    expect(Object.keys(environmentOf(app1)).filter((name) => !known.has(name))).toEqual([])
  })

  test('start with these settings, which name the other services', () => {
    const config = readConfig(environmentOf(app1), '/app')
    expect(config).toMatchObject({
      store: 's3',
      s3Bucket: compose.services.garage?.environment?.GARAGE_DEFAULT_BUCKET,
      s3Region: 'garage',
      s3Endpoint: 'http://garage:3900',
      retrievalMode: 'proxy',
    })
    const database = new URL(config.databaseUrl ?? '')
    const postgres = environmentOf(compose.services.postgres)
    expect(database.hostname).toBe('postgres')
    expect([database.username, database.password, database.pathname]).toEqual([
      postgres.POSTGRES_USER,
      postgres.POSTGRES_PASSWORD,
      `/${postgres.POSTGRES_DB}`,
    ])
  })

  test('have the key that Garage makes', () => {
    for (const environment of [{}, { S3_ACCESS_KEY: 'GKffff', S3_SECRET_KEY: 'of my own' }]) {
      const { services: resolved } = readCompose(environment)
      const garage = environmentOf(resolved.garage)
      expect(environmentOf(resolved.app1)).toMatchObject({
        AWS_ACCESS_KEY_ID: garage.GARAGE_DEFAULT_ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY: garage.GARAGE_DEFAULT_SECRET_KEY,
      })
    }
  })

  test('may still start while they wait for the database and the bucket', () => {
    const { startTimeoutSeconds } = readConfig(environmentOf(app1), '/app')
    const startPeriod = /^(\d+)s$/.exec(app1?.healthcheck?.start_period ?? '')?.[1]
    expect(Number(startPeriod)).toBeGreaterThanOrEqual(startTimeoutSeconds)
  })

  test('are given longer to stop than they need', () => {
    const { stopDelaySeconds, stopTimeoutSeconds } = readConfig(environmentOf(app1), '/app')
    const graceSeconds = Number(/^(\d+)s$/.exec(app1?.stop_grace_period ?? '')?.[1])
    // And time to let go of database and bucket.
    expect(graceSeconds).toBeGreaterThanOrEqual(stopDelaySeconds + stopTimeoutSeconds + 10)
  })
})

describe('the services', () => {
  test('wait for each other: database, migration and bucket, instances, nginx', () => {
    const waits = Object.fromEntries(
      services.map(([name, service]) => [
        name,
        Object.entries(service.depends_on ?? {}).map(([other, { condition }]) => `${other} ${condition}`),
      ]),
    )
    expect(waits).toEqual({
      postgres: [],
      garage: [],
      migrate: ['postgres service_healthy'],
      app1: ['migrate service_completed_successfully', 'garage service_healthy'],
      app2: ['app1 service_healthy'],
      nginx: ['app1 service_healthy', 'app2 service_healthy'],
    })
  })

  test('are each checked for health, but for the one that ends', () => {
    for (const [name, { healthcheck }] of services) {
      if (name === 'migrate') expect(healthcheck).toEqual({ disable: true })
      else expect(healthcheck?.test?.[0]).toBe('CMD')
    }
    expect(app1?.healthcheck?.test?.join(' ')).toContain('http://127.0.0.1:8080/readyz')
  })

  test('start again by themselves', () => {
    for (const [name, { restart }] of services) {
      if (name !== 'migrate') expect(restart).toBe('unless-stopped')
    }
  })

  test('are images of one exact version', () => {
    for (const [name, { image, build }] of services) {
      if (build === undefined) expect([name, image]).toEqual([name, expect.stringMatching(/:v?\d+\.\d+/)])
    }
  })

  test('publish one port, nginx’s, and by default to this machine alone', () => {
    expect(services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`))).toEqual([
      'nginx 127.0.0.1:8080:8080',
    ])
    expect(readCompose({ PUBLISH: '443' }).services.nginx?.ports).toEqual(['443:8080'])
  })

  test('name volumes and configurations that are there, each used once', () => {
    const volumes = services
      .flatMap(([, service]) => service.volumes ?? [])
      .map((mount) => mount.split(':')[0])
    expect(volumes.sort()).toEqual(Object.keys(compose.volumes).sort())
    const configs = services.flatMap(([, service]) => service.configs ?? []).map(({ source }) => source)
    expect(configs.sort()).toEqual(Object.keys(compose.configs).sort())
  })

  test('listen where the others look: Garage’s port and region, nginx’s port', () => {
    const garage = compose.configs['garage.toml']?.content ?? ''
    expect(garage).toContain('api_bind_addr = "[::]:3900"')
    expect(garage).toContain('s3_region = "garage"')
    // --single-node refuses any other.
    expect(garage).toContain('replication_factor = 1')
    for (const mount of compose.services.garage?.volumes ?? []) {
      expect(garage).toContain(`"${mount.split(':')[1]}"`)
    }
    const nginx = compose.configs['nginx.conf']?.content ?? ''
    expect(nginx).toMatch(/^\s*listen 8080;$/m)
    expect(
      [...nginx.matchAll(/^\s*server (\S+):(\d+)\s/gm)].map(([, host, port]) => `${host}:${port}`),
    ).toEqual(['app1:8080', 'app2:8080'])
  })

  test('run without root where the image is ours to choose', () => {
    expect(compose.services.nginx?.user).toBe('101:101')
    expect(app1?.user).toBeUndefined() // The Dockerfile's: see dockerfile.test.ts.
  })
})

test('every variable of .env is explained in the README', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const section = readme.split(/^## /m).find((text) => text.startsWith('On S3, with many instances')) ?? ''
  for (const name of composeVariables()) expect(section).toContain(`\`${name}\``)
})
