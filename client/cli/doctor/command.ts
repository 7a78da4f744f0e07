// What `doctor` does: one check after the other, each told as soon as it is known.

import { EXIT, type ExitCode } from '../exit-code.js'
import { plainText } from '../plain-text.js'
import { type Ground, sessionOn } from '../session.js'
import { type Check, exitCodeOfChecks, fail, ok, skip } from './check.js'
import { folderChecks, nodeCheck, proxyCheck } from './machine.js'
import { connectionChecks, nameCheck } from './network.js'
import { proxyFor } from './proxy.js'
import { accountChecks, readyCheck, serverCheck, timeChecks, tusCheck } from './server.js'
import { speedChecks } from './speed.js'

export interface DoctorFlags {
  speed?: boolean
}

export async function doctor(ground: Ground, flags: DoctorFlags): Promise<ExitCode> {
  const checks: Check[] = []
  for await (const check of allChecks(ground, flags)) {
    checks.push(check)
    tell(ground, check)
  }
  const exitCode = exitCodeOfChecks(checks)
  const counted = (state: Check['state']) => checks.filter((check) => check.state === state).length
  ground.output.result(
    {
      event: 'summary',
      ok: counted('ok'),
      warn: counted('warn'),
      fail: counted('fail'),
      exit_code: exitCode,
    },
    exitCode === EXIT.ok
      ? `All is well${counted('warn') > 0 ? ', but for the warnings above' : ''}.`
      : `${counted('fail')} failed.`,
  )
  return exitCode
}

/** What depends on something that failed isn't tried: it would say the same in other words. */
async function* allChecks(ground: Ground, flags: DoctorFlags): AsyncGenerator<Check, void, undefined> {
  const { settings, signal } = ground
  yield nodeCheck(process.version)
  yield* await folderChecks(settings)
  if (settings.url === null) {
    yield fail(
      'url',
      'no server is named',
      'Give it by --url or ANTIPASTO_URL, or with `antipasto login --url https://…`.',
    )
    return
  }
  yield ok('url', settings.url)
  const url = new URL(settings.url)
  yield proxyCheck(url, settings)
  let isReached = true
  for await (const check of wayChecks(url, ground)) {
    if (check.state === 'fail') isReached = false
    yield check
  }
  if (!isReached) {
    yield skip('server', 'it was not reached')
    return
  }
  const { antipasto } = await sessionOn(ground)
  const { connection } = antipasto
  const server = await serverCheck(connection, signal)
  yield server
  if (server.state === 'fail') return
  yield await readyCheck(connection, signal)
  yield* await timeChecks(connection, signal)
  yield await tusCheck(connection, signal)
  const account = await accountChecks(antipasto, {
    hasToken: settings.token !== null,
    signal,
    now: new Date(),
  })
  yield* account
  if (flags.speed !== true) return
  if (account.some(({ state }) => state === 'fail'))
    yield skip('speed', 'it takes a credential that may send files')
  else yield* await speedChecks(connection, signal)
}

/** A proxy looks up the name and connects by itself. */
async function* wayChecks(url: URL, { settings }: Ground): AsyncGenerator<Check, void, undefined> {
  if (proxyFor(url, settings.environment.proxies) !== null) return
  const name = await nameCheck(url)
  yield name
  if (name.state === 'fail') return
  yield* await connectionChecks(url, new Date())
}

function tell({ output }: Ground, { name, state, detail, advice }: Check): void {
  const { green, yellow, red, dim } = output.outColors
  const color = { ok: green, warn: yellow, fail: red, skip: dim }[state]
  const line = `${color(state.padEnd(4))}  ${name.padEnd(11)}  ${plainText(detail)}`
  output.result(
    { event: 'check', name, state, detail, advice },
    advice === null ? line : [line, `${' '.repeat(19)}${plainText(advice)}`],
  )
}
