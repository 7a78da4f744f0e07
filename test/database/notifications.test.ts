import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import {
  type Cluster,
  prepareCluster,
  SUPERUSER,
  startCluster,
  stopCluster,
} from '../../server/database/cluster.js'
import { type Notifications, openNotifications } from '../../server/database/notifications.js'
import { withConnection } from '../support/database.js'
import { killCluster } from '../support/postgres.js'
import { until } from '../support/until.js'

let cluster: Cluster
let dataDir: string
let databaseUrl: string
let notifications: Notifications
let other: Notifications

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'antipasto-notifications-'))
  cluster = await prepareCluster(dataDir, {})
})

beforeEach(async () => {
  const { port } = await startCluster(cluster)
  databaseUrl = `postgresql://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/postgres`
  notifications = await openNotifications(databaseUrl)
  other = await openNotifications(databaseUrl)
})

afterEach(async () => {
  await Promise.all([notifications.close(), other.close()])
})

afterAll(async () => {
  await stopCluster(cluster)
  await rm(dataDir, { recursive: true })
})

describe('openNotifications', () => {
  test('wakes the subscribers of a channel on every instance, and no others', async () => {
    const heard: string[] = []
    notifications.on('leases', (payload) => heard.push(`a ${payload}`))
    other.on('leases', (payload) => heard.push(`b ${payload}`))
    other.on('Events; DROP', (payload) => heard.push(`c ${payload}`))
    await sleep(200) // The other connection's LISTEN is on its way.
    await notifications.notify('leases', 'one')
    await notifications.notify('Events; DROP', "it's")
    await until(() => heard.length >= 3)
    expect(heard.sort()).toEqual(['a one', 'b one', "c it's"])
  })

  test('hears what another program notifies, an empty payload too', async () => {
    const heard: string[] = []
    notifications.on('leases', (payload) => heard.push(payload))
    await notifications.notify('leases', 'first')
    await withConnection(databaseUrl, (client) => client.query('NOTIFY leases'))
    await until(() => heard.length === 2)
    expect(heard).toEqual(['first', ''])
  })

  test('stops calling a subscriber that has left, and stops listening with the last one', async () => {
    const heard: string[] = []
    const leave = notifications.on('leases', (payload) => heard.push(`gone ${payload}`))
    const leaveToo = notifications.on('leases', (payload) => heard.push(payload))
    leave()
    leave()
    await notifications.notify('leases', 'one')
    await until(() => heard.length > 0)
    leaveToo()
    notifications.on('others', (payload) => heard.push(payload))
    await notifications.notify('leases', 'two')
    await notifications.notify('others', 'three')
    await until(() => heard.includes('three'))
    expect(heard).toEqual(['one', 'three'])
  })

  test('listens again after PostgreSQL was killed and came back, on channels asked for meanwhile too', async () => {
    const heard: string[] = []
    notifications.on('leases', (payload) => heard.push(payload))
    await killCluster(cluster)
    await sleep(50)
    await expect(notifications.notify('leases', 'lost')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    notifications.on('events', (payload) => heard.push(payload))
    await startCluster(cluster)
    await until(() => {
      void other.notify('leases', 'back').catch(() => {})
      void other.notify('events', 'new').catch(() => {})
      return heard.includes('back') && heard.includes('new')
    })
    expect(heard).not.toContain('lost')
  })

  test('says UNAVAILABLE when nobody answers at the URL', async () => {
    await expect(openNotifications('postgresql://nobody@127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
  })

  test('does not come back after it was closed while the database was away', async () => {
    await killCluster(cluster)
    await notifications.close()
    await startCluster(cluster)
    await sleep(500)
    const count = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'antipasto notifications'`
    await other.close()
    await sleep(100)
    await withConnection(databaseUrl, async (client) => {
      expect((await client.query(count)).rows).toEqual([{ count: 0 }])
    })
  })
})
