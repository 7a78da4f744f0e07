import { expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import { createLog } from '../../server/ops/log.js'
import { patientStart } from '../../server/ops/patient-start.js'

function patience(timeoutSeconds: number, signal = new AbortController().signal) {
  const lines: { msg: string; reason?: string }[] = []
  const log = createLog({ level: 'info', destination: { write: (line) => lines.push(JSON.parse(line)) } })
  return { lines, untilThere: patientStart({ timeoutSeconds, log, signal }) }
}

const away = (detail = 'It is away.') => new AppError('UNAVAILABLE', detail, { retryAfterSeconds: 5 })

test('what is there at once is not told of', async () => {
  const { untilThere, lines } = patience(1)
  expect(await untilThere(async () => 5)).toBe(5)
  expect(lines).toEqual([])
})

test('it is tried until it is there; each reason is told once, and the end', async () => {
  const { untilThere, lines } = patience(30)
  const failures = [away('a'), away('a'), away('b')]
  const found = await untilThere(async () => {
    const failure = failures.shift()
    if (failure !== undefined) throw failure
    return 'found'
  })
  expect(found).toBe('found')
  expect(lines.map(({ reason }) => reason)).toEqual(['a', 'b', undefined])
  expect(lines.at(-1)?.msg).toMatch(/it is there/)
})

test('what will not come by itself fails at once, as it is', async () => {
  const failures = [
    new AppError('UNAVAILABLE', 'Mend the password.'),
    new AppError('CONFLICT', 'x'),
    new Error('a bug'),
  ]
  for (const failure of failures) {
    const { untilThere, lines } = patience(30)
    let tries = 0
    const tried = untilThere(async () => {
      tries += 1
      throw failure
    })
    await expect(tried).rejects.toBe(failure)
    expect([tries, lines]).toEqual([1, []])
  }
})

test('when the time is over, the last reason is what fails; the time is one for all', async () => {
  const { untilThere } = patience(1)
  const startedAtMs = performance.now()
  const first = away()
  await expect(untilThere(() => Promise.reject(first))).rejects.toBe(first)
  const tookMs = performance.now() - startedAtMs
  expect(tookMs).toBeGreaterThan(400)
  expect(tookMs).toBeLessThan(2_000)
  let tries = 0
  const again = untilThere(() => {
    tries += 1
    return Promise.reject(away())
  })
  await expect(again).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(tries).toBeLessThan(3)
})

test('a stop ends the waiting with its reason', async () => {
  const controller = new AbortController()
  const { untilThere } = patience(60, controller.signal)
  const waiting = untilThere(() => Promise.reject(away()))
  const reason = new Error('stop')
  setTimeout(() => controller.abort(reason), 50)
  await expect(waiting).rejects.toBe(reason)
})
