// Signing in to the page by an IAM, in a real browser: there and back, and when a sign-in ends in the middle of an upload.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import type { Report } from '../../client/api/types.js'
import { ediId, type Iam, startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { seriousFindings } from './axe.js'
import { launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import { expectText, sha256Of } from './page-parts.js'
import { restingOffset } from './send/send-page.js'
import { type SlowProxy, startSlowProxy } from './slow-proxy.js'

const MIB = 1024 * 1024
const FILE_BYTES = 24 * MIB
/** The server takes a token for 60 s after its end: this one for 12 s more. */
const ALMOST_OVER_SECONDS = -48
const ADA = ediId('ada')
const MIDWAY = 'Your sign-in has ended. Sign in again: uploads go on where they stopped.'

describeInBrowser('signing in', (chromiumPath) => {
  let iam: Iam
  let proxy: SlowProxy
  let server: TestServer
  let browser: Browser
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-sign-in-'))
    iam = await startIam()
    proxy = await startSlowProxy()
    server = await startServer({ env: { ...iam.env, PUBLIC_URL: proxy.url } })
    proxy.leadTo(server.url)
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(async () => {
    iam.recover()
    proxy.setRate(Number.POSITIVE_INFINITY)
    iam.signsIn({ sub: ADA, claims: { cn: 'Ada Lovelace' } })
    await cleanSlate(server)
  })

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await proxy?.close()
    await iam?.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** Opens the page as somebody who has never been here. */
  async function openPage(address = '/'): Promise<Page> {
    watched = await openWatchedPage(browser, proxy.url)
    await watched.page.goto(`${proxy.url}${address}`)
    return watched.page
  }

  /** There and back, in the same tab. */
  async function signIn(page: Page, provider = 'GitHub'): Promise<void> {
    await page.getByRole('button', { name: provider, exact: true }).click()
    await page.getByRole('navigation').waitFor()
  }

  /** What went wrong besides what was meant to: the way by the IAM, and refusals that the browser tells by itself. */
  function troubles(): string[] {
    return watched.troubles.filter((one) => one !== `request to ${iam.url}` && !/ 401 | ERR_/.test(one))
  }

  async function uploadsNamed(name: string, token: string): Promise<Report[]> {
    const response = await fetch(`${server.url}/uploads?limit=500`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    expect(response.status).toBe(200)
    const { items } = (await response.json()) as { items: Report[] }
    return items.filter(({ filename }) => filename === name)
  }

  test('goes by the IAM and back, says who it is, and leaves no token in the address or the history', async () => {
    const page = await openPage()
    await page.locator('#sign-in').getByRole('heading', { name: 'Sign in' }).waitFor()
    const addresses: string[] = []
    page.on('framenavigated', (frame) => addresses.push(frame.url()))
    await signIn(page, 'ORCID')
    await expectText(page.locator('.who'), 'Ada Lovelace')
    await page.locator(`.who[title="${ADA}"]`).waitFor()
    expect(page.url()).toBe(`${proxy.url}/`)
    // It did come in the address.
    expect(addresses.some((address) => address.includes('edi_token='))).toBe(true)
    expect(
      await page.evaluate('performance.getEntriesByType("resource").map(({name}) => name).join()'),
    ).not.toContain('edi_token')
    const token = await page.evaluate<string>('sessionStorage.getItem("antipasto.key")')
    expect(token).toMatch(/^eyJ/)
    expect(await page.evaluate<string>('JSON.stringify({ ...localStorage })')).not.toContain(token)
    expect(await page.evaluate<string>('document.cookie')).toBe('')

    await page.goBack()
    await page.goForward()
    expect(page.url()).not.toContain('edi_token')
    expect(troubles()).toEqual([])
  })

  test('stays for a reload of this tab, and is in no other', async () => {
    const page = await openPage()
    await signIn(page)
    await page.reload()
    await expectText(page.locator('.who'), 'Ada Lovelace')
    expect(await page.locator('#sign-in').isVisible()).toBe(false)

    const other = await page.context().newPage()
    await other.goto(proxy.url)
    await other.locator('#sign-in').waitFor()
    expect(await other.getByRole('navigation').count()).toBe(0)
    expect(troubles()).toEqual([])
  })

  test('is forgotten on signing out', async () => {
    const page = await openPage()
    await signIn(page)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.locator('#sign-in').waitFor()
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
    await page.reload()
    await page.locator('#sign-in').waitFor()
    expect(await page.locator('.who').isVisible()).toBe(false)
    expect(await page.getByText('Ada Lovelace').count()).toBe(0)
    await page.goBack()
    expect(page.url()).not.toContain('edi_token')
    expect(troubles()).toEqual([])
  })

  test('a key of the IAM and one of this server can be pasted instead', async () => {
    const page = await openPage()
    await page.fill('#key-input', iam.makeKey({ sub: ADA }))
    await page.keyboard.press('Enter')
    await expectText(page.locator('.who'), ADA)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.fill('#key-input', 'nonsense')
    await page.keyboard.press('Enter')
    await page.locator('#sign-in').getByText('does not accept this key').waitFor()
    await page.fill('#key-input', server.key)
    await page.keyboard.press('Enter')
    await expectText(page.locator('.who'), 'default')
    expect(troubles()).toEqual([])
  })

  test("leads to the server's own name where the IAM could not lead back to", async () => {
    watched = await openWatchedPage(browser, server.url)
    await watched.page.goto(server.url)
    const link = watched.page.locator('#sign-in').getByRole('link')
    await link.waitFor()
    expect(await watched.page.getByRole('button', { name: 'GitHub' }).count()).toBe(0)
    expect(await link.getAttribute('href')).toBe(`${proxy.url}/`)
  })

  test.each([
    ['a token', () => iam.issue({ sub: ediId('mallory') })],
    ['a token and a fragment', () => `${iam.issue({ sub: ediId('mallory') })}#x`],
    ['no token', () => '%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E'],
  ])('uses nothing of a link that brings %s which nobody has asked for', async (_, makeToken) => {
    const page = await openPage(`/?edi_token=${makeToken()}&cname=x`)
    await page.locator('#sign-in').getByText('was not begun here').waitFor()
    expect(page.url()).not.toContain('?')
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
    expect(await page.locator('.who').isVisible()).toBe(false)
    expect(await page.getByRole('navigation').count()).toBe(0)
    expect(troubles()).toEqual([])
  })

  test('takes no second token after somebody came back without one', async () => {
    const page = await openPage()
    iam.fail('garbage')
    await page.getByRole('button', { name: 'GitHub' }).click()
    await page.waitForURL(/auth\/login/)
    iam.recover()
    await page.goto(proxy.url)
    await page.locator('#sign-in').waitFor()
    await page.goto(`${proxy.url}/?edi_token=${iam.issue({ sub: ediId('mallory') })}`)
    await page.locator('#sign-in').getByText('was not begun here').waitFor()
  })

  test('stays in the window when the page that opened it is gone', async () => {
    const page = await openPage()
    await page.evaluate(`sessionStorage.setItem('antipasto.trip', '1-2-3-4')`)
    await page.goto(`${proxy.url}/?edi_token=${iam.issue({ sub: ADA })}`)
    await expectText(page.locator('.who'), 'Some Body')
    expect(page.url()).toBe(`${proxy.url}/`)
    expect(troubles()).toEqual([])
  })

  test('that ends during an upload waits for another in a window, and goes on where it stopped', async () => {
    const { name, sha256, page, bytesBefore } = await uploadUntilTheEnd('ended.bin')
    await page.locator('#sign-in').getByText(MIDWAY).waitFor()
    await page.waitForTimeout(3_000)
    // Whoever asks for the offset with a token that is over may be told to begin again.
    expect(sent('HEAD')).toBe(0)

    iam.signsIn({ sub: ADA, claims: { cn: 'Ada Lovelace' } })
    await page.evaluate('globalThis.openWindow = open; window.open = () => null')
    await page.getByRole('button', { name: 'GitHub', exact: true }).click()
    await page.locator('#sign-in').getByText('Allow windows for this page').waitFor()
    await page.evaluate('window.open = openWindow')
    const opened = page.context().waitForEvent('page')
    await page.getByRole('button', { name: 'GitHub', exact: true }).click()
    const popup = await opened
    if (!popup.isClosed()) await popup.waitForEvent('close')
    await goesOn({ name, sha256, page, bytesBefore })
    await expectText(page.locator('.who'), 'Ada Lovelace')
    expect(await page.locator('#sign-in').isVisible()).toBe(false)
    expect(troubles()).toEqual([])
  })

  test('that ends during an upload goes on by a key that is pasted, but not by another owner', async () => {
    const upload = await uploadUntilTheEnd('pasted.bin')
    const { page } = upload
    await page.locator('#sign-in').getByText(MIDWAY).waitFor()
    await page.fill('#key-input', server.key)
    await page.keyboard.press('Enter')
    await page.locator('#sign-in').getByText('belong to Some Body').waitFor()
    await page.waitForTimeout(1_000)
    expect(sent('POST')).toBe(1)

    // It can't be told whose a key is while the server can't be asked.
    await page.route('**/me', (route) => route.abort())
    const own = iam.makeKey({ sub: ADA })
    await page.fill('#key-input', own)
    await page.keyboard.press('Enter')
    await page.locator('#sign-in').getByText('nobody was signed in').waitFor()
    expect(await page.inputValue('#key-input')).toBe(own)
    expect(sent('PATCH')).toBe(1)
    await page.unroute('**/me')

    await page.fill('#key-input', iam.makeKey({ sub: ADA }))
    await page.keyboard.press('Enter')
    await goesOn(upload)
    expect(troubles().filter((one) => !one.includes('ERR_FAILED'))).toEqual([])
  })

  test('as somebody else, with files on the way, leaves them only when one has agreed', async () => {
    const file = path.join(folder, 'left.bin')
    await writeFile(file, randomBytes(8 * MIB))
    const page = await openPage()
    await signIn(page)
    proxy.setRate(MIB / 4)
    await page.setInputFiles('input[data-pick="files"]', file)
    await page.locator('.uppy-StatusBar-actionBtn--upload').click()
    await valueWhen(
      async () => sent('PATCH') + sent('POST'),
      (count) => count > 0,
    )
    await page.evaluate(`location.hash = '#key=${server.key}'`)
    await page.locator('#sign-in').getByText('belong to Ada Lovelace').waitFor()
    await expectText(page.locator('.who'), 'Ada Lovelace')
    proxy.setRate(Number.POSITIVE_INFINITY)
    await page.getByRole('button', { name: 'Leave these files and change over' }).click()
    await expectText(page.locator('.who'), 'default')
    await page.waitForTimeout(1_000)
    expect(await page.getByText('left.bin').count()).toBe(0)
    const ofTheOther = await fetch(`${server.url}/uploads`, { headers: bearer(server.key) })
    expect(await ofTheOther.json()).toMatchObject({ items: [] })

    // What this browser held of the files went with who left: it begins nothing when they are back.
    const patches = sent('PATCH')
    await page.evaluate(`location.hash = '#key=${iam.makeKey({ sub: ADA })}'`)
    await expectText(page.locator('.who'), ADA)
    await page.waitForTimeout(1_500)
    expect(await page.locator('.uppy-Dashboard-Item').count()).toBe(0)
    expect(sent('PATCH')).toBe(patches)
  })

  test('asks before the end, keeps nobody from working, and can be put off', async () => {
    iam.signsIn({ sub: ADA, expiresInSeconds: 530 })
    const page = await openPage()
    await signIn(page)
    await page.locator('#sign-in').getByText('Your sign-in ends in 8 minutes').waitFor()
    expect(await page.getByRole('navigation').isVisible()).toBe(true)
    await page.getByRole('button', { name: 'Later' }).click()
    await page.waitForTimeout(6_000)
    expect(await page.locator('#sign-in').isVisible()).toBe(false)

    await page.reload()
    iam.signsIn({ sub: ADA })
    await page.locator('#sign-in').getByText('Your sign-in ends').waitFor()
    await signIn(page)
    await page.waitForTimeout(500)
    expect(await page.locator('#sign-in').isVisible()).toBe(false)
    expect(troubles()).toEqual([])
  })

  test('says what antipasto is to who is new here, and has nothing in anybody’s way', async () => {
    const page = await openPage()
    await page.getByRole('heading', { level: 1, name: 'Bring your data files' }).waitFor()
    expect(await page.locator('.welcome-steps li').count()).toBe(3)
    // Where there is a choice nobody is led away from the beginning of the page.
    await page.getByRole('button', { name: 'ORCID' }).waitFor()
    expect(await page.evaluate('document.activeElement === document.body')).toBe(true)
    const key = page.getByLabel('or with an API key')
    expect(await key.getAttribute('autocomplete')).toBe('current-password')
    expect(await seriousFindings(page)).toEqual([])
    expect(troubles()).toEqual([])
  })

  test('takes a key from the address, out of it at once, and another one when the address is changed', async () => {
    const page = await openPage(`/#key=${server.key}`)
    expect(page.url()).toBe(`${proxy.url}/`)
    await expectText(page.locator('.who'), 'default')
    await page.goto(`${proxy.url}/#/settings`)
    await page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor()
    const other = await keyOf(['read'])
    await page.evaluate(`location.hash = '#key=${other}'`)
    await valueWhen(
      () => page.evaluate<string>('sessionStorage.getItem("antipasto.key")'),
      (held) => held === other,
    )
    expect(await page.evaluate('sessionStorage.getItem("antipasto.key")')).toBe(other)
    // What was on show stays, and no address that one may go back to has a key.
    expect(page.url()).toBe(`${proxy.url}/#/settings`)
    await page.goBack()
    expect(page.url()).not.toContain('key=')
    expect(troubles()).toEqual([])
  })

  test('keeps the key that one has when the address brings a wrong one, and says so', async () => {
    const page = await openPage(`/#key=${server.key}`)
    await expectText(page.locator('.who'), 'default')
    await page.evaluate(`location.hash = '#key=nonsense'`)
    await page.locator('#sign-in').getByText('does not accept this key').waitFor()
    await page.getByRole('button', { name: 'Later' }).click()
    await page.locator('#sign-in').waitFor({ state: 'detached' })
    await expectText(page.locator('.who'), 'default')
    expect(troubles()).toEqual([])
  })

  test('a key in the address that the server refuses is said to be wrong, and one that was revoked to have ended', async () => {
    const page = await openPage('/#key=nonsense')
    await page.locator('#sign-in').getByText('does not accept this key').waitFor()
    const { id, key } = await makeKey(['upload', 'read'])
    await page.fill('#key-input', key)
    await page.keyboard.press('Enter')
    await expectText(page.locator('.who'), 'default')
    await fetch(`${server.url}/api-keys/${id}`, { method: 'DELETE', headers: bearer(server.key) })
    await page.goto(`${proxy.url}/#/settings`)
    await page.locator('#sign-in').getByText('Your sign-in has ended. Sign in again.').waitFor()
    expect(troubles()).toEqual([])
  })

  test('comes back to the view that was opened', async () => {
    const page = await openPage('/#/settings')
    await signIn(page)
    await page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor()
    expect(page.url()).toBe(`${proxy.url}/#/settings`)
    expect(await page.evaluate('Object.keys(sessionStorage)')).toEqual(['antipasto.key'])
    expect(troubles()).toEqual([])
  })

  test('as somebody else, with nothing on the way, begins the page anew as theirs', async () => {
    const page = await openPage()
    await signIn(page)
    await expectText(page.locator('.who'), 'Ada Lovelace')
    await page.evaluate('globalThis.isOld = true')
    await page.evaluate(`location.hash = '#key=${server.key}'`)
    await expectText(page.locator('.who'), 'default')
    expect(await page.evaluate('globalThis.isOld === undefined')).toBe(true)
    expect(await page.getByText('Ada Lovelace').count()).toBe(0)
    expect(troubles()).toEqual([])
  })

  test('a key that may only send is told so, and fails nowhere', async () => {
    const page = await openPage(`/#key=${await keyOf(['upload'])}`)
    await page.getByText('your key lacks the right “read”').waitFor()
    await page.getByText('your key lacks the right “delete”').waitFor()
    expect(await page.getByText('Something went wrong').count()).toBe(0)
    expect(watched.troubles.filter((one) => !/ 40[13] | ERR_/.test(one))).toEqual([])
  })

  test('a key that may only read is told so, and has nothing to drop files on', async () => {
    const page = await openPage(`/#key=${await keyOf(['read'])}`)
    await page.getByText('may read, but not upload').waitFor()
    expect(await page.locator('input[data-pick="files"]').count()).toBe(0)
    expect(troubles()).toEqual([])
  })

  test('takes no token from another origin, whatever that one posts', async () => {
    const evil = http.createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html').end('<button>go</button>')
    })
    evil.listen(0, '127.0.0.1')
    await once(evil, 'listening')
    try {
      const page = await openPage()
      await signIn(page)
      const attacker = await page.context().newPage()
      await attacker.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}`)
      const token = iam.issue({ sub: ediId('mallory') })
      const opened = page.context().waitForEvent('page')
      await attacker.evaluate(`globalThis.victim = window.open(${JSON.stringify(proxy.url)})`)
      const victim = await opened
      await victim.locator('#sign-in').waitFor()
      await attacker.evaluate(`(async () => {
        const messages = [{ trip: 'here', token: '${token}' }, { edi_token: '${token}' }, '${token}']
        for (const message of messages) {
          try { victim.postMessage(message, '*') } catch {}
          new BroadcastChannel('antipasto.sign-in').postMessage(message)
        }
      })()`)
      await victim.waitForTimeout(500)
      expect(await victim.locator('#sign-in').isVisible()).toBe(true)
      expect(await victim.evaluate('sessionStorage.length')).toBe(0)
      expect(await page.locator('.who').textContent()).toBe('Ada Lovelace')
    } finally {
      evil.closeAllConnections()
      evil.close()
    }
  })

  function bearer(key: string): Record<string, string> {
    return { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
  }

  /** A key of the server's own, of the owner "default". */
  async function makeKey(scopes: string[]): Promise<{ id: string; key: string }> {
    const response = await fetch(`${server.url}/api-keys`, {
      method: 'POST',
      headers: bearer(server.key),
      body: JSON.stringify({ name: scopes.join(' '), scopes }),
    })
    expect(response.status).toBe(201)
    return (await response.json()) as { id: string; key: string }
  }

  async function keyOf(scopes: string[]): Promise<string> {
    return (await makeKey(scopes)).key
  }

  interface EndedUpload {
    name: string
    sha256: string
    page: Page
    /** How many the server had when the sign-in was over and the line had broken. */
    bytesBefore: number
  }

  interface LogLine {
    method: string
    status: number
    bytes_in: number
  }

  /** Requests to one upload or to all of them, as the browser has sent them. */
  function sent(method: string): number {
    return watched.requests.filter((one) => one.startsWith(`${method} /uploads`)).length
  }

  /** Sends a file with a token that ends on the way, over a line that breaks when it has. */
  async function uploadUntilTheEnd(name: string): Promise<EndedUpload> {
    const bytes = randomBytes(FILE_BYTES)
    const file = path.join(folder, name)
    await writeFile(file, bytes)
    const page = await openPage()
    const token = iam.issue({ sub: ADA })
    iam.signsIn({ sub: ADA, expiresInSeconds: ALMOST_OVER_SECONDS })
    await signIn(page)
    const own = await page.evaluate<string>('sessionStorage.getItem("antipasto.key")')
    proxy.setRate(MIB)
    await page.setInputFiles('input[data-pick="files"]', file)
    await page.locator('.uppy-StatusBar-actionBtn--upload').click()
    const status = await valueWhen(
      async () =>
        (await fetch(`${server.url}/uploads`, { headers: { Authorization: `Bearer ${own}` } })).status,
      (answered) => answered === 401,
    )
    expect(status).toBe(401)
    // What began with a valid token goes on after its end.
    const [atEnd] = await uploadsNamed(name, token)
    const [later] = await valueWhen(
      () => uploadsNamed(name, token),
      ([upload]) => (upload?.offset ?? 0) > (atEnd?.offset ?? 0) + MIB,
    )
    expect(later?.offset).toBeGreaterThan(atEnd?.offset ?? 0)
    proxy.cut()
    proxy.setRate(Number.POSITIVE_INFINITY)
    const bytesBefore = await restingOffset({ url: server.url, key: token }, name)
    expect(bytesBefore).toBeLessThan(FILE_BYTES)
    return { name, sha256: sha256Of(bytes), page, bytesBefore }
  }

  /** The rest of the same upload arrives, and nothing of it was sent twice. */
  async function goesOn({ name, sha256, bytesBefore }: EndedUpload): Promise<void> {
    const token = iam.issue({ sub: ADA })
    const uploads = await valueWhen(
      () => uploadsNamed(name, token),
      ([upload]) => upload?.state === 'ready',
    )
    expect(uploads).toMatchObject([{ state: 'ready', checksums: { sha256 } }])
    expect(sent('POST')).toBe(1)
    expect(sent('PATCH')).toBe(2)
    // Chromium by itself sends a request again whose connection broke before there was an answer: refused for its token.
    const taken = () => linesOf('PATCH', uploads[0]?.id ?? '').filter(({ status }) => status !== 401)
    // A request is in the log when its answer is over, which is later than the upload is ready.
    const patches = await valueWhen(
      async () => taken(),
      (lines) => lines.length === 2,
    )
    expect(patches).toHaveLength(2)
    const [first = 0, second = 0] = patches.map(({ bytes_in: bytesIn }) => bytesIn)
    // Headers, and what had left the browser when the line broke and was never acknowledged.
    expect(second).toBeGreaterThanOrEqual(FILE_BYTES - bytesBefore)
    expect(second).toBeLessThan(FILE_BYTES - bytesBefore + 0.1 * MIB)
    expect(first + second).toBeLessThan(FILE_BYTES + MIB)
  }

  function linesOf(method: string, uploadId: string): LogLine[] {
    return server
      .logs()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes(uploadId) && line.includes('bytes_in'))
      .map((line) => JSON.parse(line) as LogLine)
      .filter((line) => line.method === method)
  }
})
