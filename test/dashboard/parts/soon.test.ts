import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { soon } from '../../../client/dashboard/parts/soon.js'

const TIMES = { delayMs: 20, restMs: 60 }

/** What is run, and how it is let end. */
function aTask() {
  let running = 0
  let most = 0
  let runs = 0
  const endings: (() => void)[] = []
  return {
    act: () => {
      runs += 1
      running += 1
      most = Math.max(most, running)
      return new Promise<void>((resolve) => {
        endings.push(() => {
          running -= 1
          resolve()
        })
      })
    },
    end: () => endings.shift()?.(),
    get runs() {
      return runs
    },
    get mostAtOnce() {
      return most
    },
  }
}

test('many reasons at once are one run', async () => {
  const task = aTask()
  const one = soon(task.act, TIMES)
  for (let reason = 0; reason < 100; reason += 1) one.ask()
  expect(task.runs).toBe(0)
  await sleep(60)
  expect(task.runs).toBe(1)
  task.end()
  await sleep(150)
  expect(task.runs).toBe(1)
})

test('a reason that comes while it runs is followed by one more run, after it and a rest', async () => {
  const task = aTask()
  const one = soon(task.act, TIMES)
  one.ask()
  await sleep(50)
  one.ask()
  one.ask()
  await sleep(100)
  expect(task.runs).toBe(1)
  task.end()
  await sleep(20)
  expect(task.runs).toBe(1)
  await sleep(120)
  expect(task.runs).toBe(2)
  task.end()
  await sleep(150)
  expect(task).toMatchObject({ runs: 2, mostAtOnce: 1 })
})

test('after a rest it is run at once again', async () => {
  const task = aTask()
  const one = soon(task.act, TIMES)
  one.ask()
  await sleep(50)
  task.end()
  await sleep(150)
  one.ask()
  await sleep(60)
  expect(task.runs).toBe(2)
  task.end()
})

test('nothing is run any more when it was stopped, whatever was asked for', async () => {
  const task = aTask()
  const one = soon(task.act, TIMES)
  one.ask()
  one.stop()
  one.ask()
  await sleep(60)
  expect(task.runs).toBe(0)

  const other = soon(task.act, TIMES)
  other.ask()
  await sleep(50)
  other.ask()
  other.stop()
  task.end()
  await sleep(150)
  expect(task.runs).toBe(1)
})
