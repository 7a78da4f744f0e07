// Every fault once, for real: it does what it says, and when it is undone the stage is whole.

import net from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { describeNginx } from '../deploy/describe-nginx.js'
import { withConnection } from '../support/database.js'
import { describeRadosgw } from '../support/s3.js'
import { until } from '../support/until.js'
import type { Drawn, Fault, Undo } from './faults/fault.js'
import { randomFrom } from './random.js'
import { FAULTS } from './schedule.js'
import type { Line, Stage } from './stage/stage.js'
import { startStage } from './stage/start-stage.js'

const MIB = 1024 * 1024
/** That nothing comes is proven by waiting that long for it. */
const SILENCE_MS = 400

describeRadosgw('the stage of the fault suite', () => {
  describeNginx('with all its parts', () => {
    let stage: Stage
    let line: Line

    beforeAll(async () => {
      stage = await startStage()
      line = await stage.newLine('cluster')
    })
    afterEach(async () => {
      await stage.mend(30_000)
      for (const { url } of Object.values(stage.instances)) {
        expect([await statusOf(`${url}/healthz`), await statusOf(`${url}/readyz`)]).toEqual([200, 200])
      }
    })
    afterAll(() => stage.dispose())

    /** Begins a fault of that kind whose draw `fits`. */
    function begin(kind: string, fits: (drawn: Drawn) => boolean = () => true): Promise<Undo> {
      return drawUntil(kind, fits).begin(stage)
    }

    const upload = (place: 'cluster' | 'disk', sizeBytes: number) =>
      fetch(`${stage[place].url}/files?filename=a.bin`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${stage[place].key}` },
        body: Buffer.alloc(sizeBytes),
      })

    test('kill: the process is gone, nginx leads past it, and it comes back', async () => {
      const undo = await begin('kill', ({ target }) => target === 'a')
      const { a } = stage.instances
      expect([a.pid, a.isDown]).toEqual([undefined, true])
      expect(await statusOf(`${stage.cluster.url}/healthz`)).toBe(200)
      await undo()
      expect([typeof a.pid, a.isDown, a.outages.length, a.crashes]).toEqual(['number', false, 1, 0])
    })

    test('a process that ends by itself is counted, and started again', async () => {
      const { b } = stage.instances
      process.kill(b.pid ?? 0, 'SIGKILL')
      await until(async () => b.crashes === 1 && !b.isDown)
      expect(await statusOf(`${b.url}/readyz`)).toBe(200)
    })

    test('restart: the process ends in its own way, and comes back', async () => {
      const { b } = stage.instances
      const before = b.pid
      const undo = await begin('restart', ({ target }) => target === 'b')
      await undo()
      expect(b.pid).not.toBe(before)
      expect(b.logs()).toContain('"signal":"SIGTERM"')
    })

    test('freeze: the process is silent, and goes on', async () => {
      const { a } = stage.instances
      const before = a.pid
      const undo = await begin('freeze', ({ target }) => target === 'a')
      expect(await statusOf(`${a.url}/healthz`)).toBe('silence')
      await undo()
      expect([a.pid, a.isDown, await statusOf(`${a.url}/healthz`)]).toEqual([before, false, 200])
    })

    test('client-line: severed, stalled, delayed, cut', async () => {
      const url = `${line.url}/healthz`
      let undo = await begin('client-line', ({ parameters }) => parameters.way === 'sever')
      expect(await statusOf(url)).toBe('broken')
      await undo()
      undo = await begin('client-line', ({ parameters }) => parameters.way === 'stall')
      expect(await statusOf(url)).toBe('silence')
      await undo()
      undo = await begin('client-line', ({ parameters }) => Number(parameters.delayMs) > 80)
      const startedAt = performance.now()
      expect(await statusOf(url)).toBe(200)
      expect(performance.now() - startedAt).toBeGreaterThan(80)
      await undo()
      const closed = closeOf(line.url)
      await closed.open
      undo = await begin('client-line', ({ parameters }) => parameters.way === 'cut')
      await closed.done
      await undo()
      expect(await statusOf(url)).toBe(200)
    })

    test('database-line: one instance is without its database, the other is not', async () => {
      const severs = ({ target, parameters }: Drawn) => target === 'a' && parameters.way === 'sever'
      const undo = await begin('database-line', severs)
      const { a, b } = stage.instances
      expect([await statusOf(`${a.url}/readyz`), await statusOf(`${b.url}/readyz`)]).toEqual([503, 200])
      await undo()
    })

    test('s3: some requests of one instance go wrong', async () => {
      const { a, b } = stage.instances
      const put = (url = '') => statusOf(`${url}/bucket/key`, { method: 'PUT', body: 'x' })
      const puts = async (url = '') => {
        const said = new Set()
        for (let i = 0; i < 30; i++) said.add(await put(url))
        return [...said].sort()
      }
      const undo = await begin(
        's3',
        ({ target, parameters: { way, operation, percent } }) =>
          target === 'a' && way === 'slow down' && operation === 'any' && Number(percent) > 30,
      )
      // The gateway's own answer is 404, as there is no such bucket.
      expect(await puts(a.s3?.url)).toEqual([404, 503])
      expect(await puts(b.s3?.url)).toEqual([404])
      await undo()
      expect(await puts(a.s3?.url)).toEqual([404])
    })

    test('s3-cut: every connection breaks', async () => {
      const closed = closeOf(stage.instances.b.s3?.url ?? '')
      await closed.open
      const undo = await begin('s3-cut', ({ target }) => target === 'b')
      await closed.done
      await undo()
    })

    test('gateway: S3 is gone, and comes back with all it had', async () => {
      expect((await upload('cluster', 100_000)).status).toBe(201)
      const undo = await begin('gateway')
      expect(await statusOf(stage.bucket.endpoint)).toBe('broken')
      await undo()
      const { objects } = await stage.bucket.list()
      expect(objects.map(({ sizeBytes }) => sizeBytes)).toEqual([100_000])
    })

    test.each(['fast', 'immediate'])('postgres: its %s end, and its way back', async (way) => {
      const asks = () => withConnection(stage.cluster.databaseUrl, (client) => client.query('SELECT 1'))
      const undo = await begin('postgres', ({ parameters }) => parameters.way === way)
      await expect(asks()).rejects.toThrow()
      await undo()
      expect((await asks()).rowCount).toBe(1)
    })

    test('clock-step: the wall clock of one process jumps, and jumps back', async () => {
      if (isMissing('clock-step')) return
      const shiftHours = async () => {
        await statusOf(`${stage.instances.disk.url}/uploads`)
        const [, time = ''] = stage.instances.disk.logs().match(/.*"time":"([^"]+)"/s) ?? []
        return Math.round((Date.parse(time) - Date.now()) / 3_600_000)
      }
      const isDayAhead = ({ target, parameters }: Drawn) => target === 'disk' && parameters.seconds === 86_400
      const undo = await begin('clock-step', isDayAhead)
      await until(async () => (await shiftHours()) === 24)
      await undo()
      await until(async () => (await shiftHours()) === 0)
    })

    test('full-store: what does not fit is refused, until there is room', async () => {
      if (isMissing('full-disk')) return
      const undo = await begin('full-store', ({ parameters }) => parameters.leftBytes === 0)
      expect(await stage.storeDisk?.freeBytes()).toBe(0)
      expect((await upload('disk', MIB)).status).toBe(507)
      await undo()
      await until(async () => (await upload('disk', MIB)).status === 201)
    })

    test('full-database: nothing more is written, until there is room', async () => {
      if (isMissing('full-disk')) return
      const write = () =>
        withConnection(stage.cluster.databaseUrl, async (client) => {
          await client.query('CREATE TABLE IF NOT EXISTS filler (text text)')
          await client.query("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 30000)")
        })
      const undo = await begin('full-database', ({ parameters }) => parameters.leftBytes === 0)
      await expect(write()).rejects.toThrow()
      await undo()
      await write()
    })

    test('sweep-storm: sweeps beside the servers, and all come to their end', async () => {
      const outputs: string[] = []
      const sweep: Stage['sweep'] = async (...args) => {
        const finished = await stage.sweep(...args)
        outputs.push(`${finished.exitCode} ${finished.output}`)
        return finished
      }
      const undo = await drawUntil('sweep-storm', ({ parameters }) => parameters.processes === 2).begin({
        ...stage,
        sweep,
      })
      await undo()
      expect(outputs).toEqual([expect.stringMatching(/^0 /), expect.stringMatching(/^0 /)])
    })

    test('renewed, it has forgotten everything', async () => {
      expect((await upload('cluster', 10)).status).toBe(201)
      await stage.renew()
      for (const { url, key } of [stage.cluster, stage.disk]) {
        const answer = await fetch(`${url}/uploads`, { headers: { Authorization: `Bearer ${key}` } })
        expect(await answer.json()).toMatchObject({ items: [] })
      }
      expect(await stage.bucket.list()).toEqual({ objects: [], multiparts: [] })
      for (const { outages, crashes } of Object.values(stage.instances)) {
        expect([outages, crashes]).toEqual([[], 0])
      }
    })

    test('every kind of fault has been tried above', () => {
      expect(FAULTS.map(({ kind }) => kind).filter((kind) => !begun.has(kind) && !canNot(kind))).toEqual([])
    })

    function isMissing(need: 'clock-step' | 'full-disk'): boolean {
      const reason = stage.missing.get(need)
      if (reason !== undefined) console.warn(`Not tried, as there is ${reason}.`)
      return reason !== undefined
    }

    function canNot(kind: string): boolean {
      const need = FAULTS.find((fault) => fault.kind === kind)?.need
      return need !== undefined && stage.missing.has(need)
    }
  })
})

const begun = new Set<string>()

function drawUntil(kind: string, fits: (drawn: Drawn) => boolean): Drawn {
  const fault: Fault | undefined = FAULTS.find((each) => each.kind === kind)
  begun.add(kind)
  const random = randomFrom(1)
  for (let i = 0; i < 10_000; i++) {
    const drawn = fault?.draw(random)
    if (drawn !== undefined && fits(drawn)) return drawn
  }
  throw new Error(`No fault of kind ${kind} is like that.`)
}

/** The status of an answer; 'silence' when none comes, 'broken' when the connection ends without one. */
async function statusOf(url: string, request: RequestInit = {}): Promise<number | 'silence' | 'broken'> {
  const signal = AbortSignal.timeout(SILENCE_MS * (url.endsWith('/readyz') ? 10 : 1))
  try {
    const answer = await fetch(url, { ...request, signal })
    await answer.arrayBuffer()
    return answer.status
  } catch {
    return signal.aborted ? 'silence' : 'broken'
  }
}

/** A connection that is only opened: `open` when it is, `done` when it has ended. */
function closeOf(url: string): { open: Promise<void>; done: Promise<void> } {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1')
  return {
    open: new Promise((resolve) => socket.once('connect', () => resolve())),
    done: new Promise((resolve) => {
      socket.on('error', () => {})
      socket.once('close', () => resolve())
      socket.resume()
    }),
  }
}
