// The settings in a real browser: usage, keys and webhooks of a real server, with real deliveries.

import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Locator, Page } from 'playwright-core'
import { ediId, type Iam, startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { type Receiver, startReceiver } from '../webhooks/receiver.js'
import { isGenuine } from '../webhooks/verify.js'
import { seriousFindings } from './axe.js'
import { launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { describeInBrowser } from './describe-in-browser.js'
import { copiedBy, hasFocus } from './page-parts.js'

const REFUSED = 'http://127.0.0.1:9/hook'

describeInBrowser('the settings', (chromiumPath) => {
  let iam: Iam
  let server: TestServer
  let receiver: Receiver
  let browser: Browser
  let watched: WatchedPage
  /** An owner of each test's own. */
  let owner: string
  let token: string

  beforeAll(async () => {
    iam = await startIam()
    server = await startServer({
      env: {
        ...iam.env,
        ...{ WEBHOOK_PRIVATE_ADDRESSES: 'true', QUOTA_BYTES: '1000', QUOTA_FILES: '2' },
      },
    })
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(async () => {
    receiver = await startReceiver()
    owner = ediId(randomUUID())
    token = iam.issue({
      sub: owner,
      principals: [ediId('lter')],
      links: [{ ediId: ediId(`former ${owner}`) }],
      claims: { cn: 'Ada Lovelace' },
      expiresInSeconds: 3 * 3_600 + 60,
    })
  })

  afterEach(async () => {
    await watched?.close()
    await receiver.close()
  })

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await iam?.close()
  })

  async function openSettings(key: string, looks: Parameters<typeof openWatchedPage>[3] = {}): Promise<Page> {
    watched = await openWatchedPage(browser, server.url, { width: 1000, height: 860 }, looks)
    const { page } = watched
    await page.goto(`${server.url}/#key=${key}`)
    await page.getByRole('navigation').waitFor()
    await page.goto(`${server.url}/#/settings`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    return page
  }

  function section(page: Page, name: string): Locator {
    return page.getByRole('region', { name })
  }

  async function ask<Answer>(path: string, body?: unknown, key = token): Promise<Answer> {
    const response = await fetch(`${server.url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    expect(response.ok).toBe(true)
    return (await response.json()) as Answer
  }

  async function send(name: string, text: string): Promise<void> {
    const response = await fetch(`${server.url}/files?filename=${name}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'text/csv' },
      body: text,
    })
    expect(response.status).toBe(201)
  }

  async function statusWith(key: string): Promise<number> {
    return (await fetch(`${server.url}/me`, { headers: { Authorization: `Bearer ${key}` } })).status
  }

  test('show what is used of what one may have, and follow it', async () => {
    await send('first.csv', 'a,b\n1,2\n')
    const page = await openSettings(token)
    const usage = section(page, 'What you use')
    await usage.getByText('1 of 2').waitFor()
    await usage.getByText('8 B of 1000 B').waitFor()
    await usage.getByText('0 · no limit').waitFor()
    expect(await usage.getByRole('meter', { name: 'Files' }).getAttribute('value')).toBe('1')
    expect(await usage.getByText('Nothing more fits').count()).toBe(0)
    await send('second.csv', 'c,d\n3,4\n')
    await usage.getByText('2 of 2').waitFor()
    await usage.getByText('Nothing more fits').waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('show who one is, what one may, and when the sign-in ends', async () => {
    const page = await openSettings(token)
    const account = section(page, 'Who you are')
    for (const text of [
      'Ada Lovelace',
      owner,
      ediId(`former ${owner}`),
      ediId('lter'),
      'send and change files',
    ])
      await account.getByText(text, { exact: true }).or(account.getByText(text)).first().waitFor()
    await account.getByText('(in 3 hours)').waitFor()
    const copy = account.getByRole('button', { name: 'Copy Owner' })
    expect(await copiedBy(page, () => copy.click())).toBe(owner)
    expect(await seriousFindings(page)).toEqual([])
    expect(watched.troubles).toEqual([])
  })

  test('make a key, show it once, and never again', async () => {
    const page = await openSettings(token)
    const keys = section(page, 'API keys')
    await keys.getByText('No keys yet').waitFor()
    await keys.getByRole('button', { name: 'Make a key' }).click()
    await hasFocus(keys.getByLabel('Name'))
    await keys.getByLabel('Name').fill('field laptop')
    await keys.getByRole('checkbox', { name: 'delete' }).uncheck()
    await keys.getByLabel('Ends after so many days').fill('90')
    expect(await seriousFindings(page)).toEqual([])
    await page.keyboard.press('Enter')
    const heading = keys.getByRole('heading', { name: 'The key “field laptop” is made' })
    await heading.waitFor()
    await hasFocus(heading)
    await keys.getByText('it is never shown again').waitFor()
    await keys.getByText(`npx antipasto login --url ${server.url}`).waitFor()
    expect(await seriousFindings(page)).toEqual([])
    const copy = keys.getByRole('button', { name: 'Copy API key' })
    const key = await copiedBy(page, () => copy.click())
    const me = await ask<{ scopes: string[]; owner: string; expires_at: string }>('/me', undefined, key)
    expect(me).toMatchObject({ owner, scopes: ['upload', 'read'] })
    const days = (Date.parse(me.expires_at) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(89.9)
    expect(days).toBeLessThan(90.1)

    await keys.getByRole('button', { name: 'I have copied it' }).click()
    await hasFocus(keys.getByRole('button', { name: 'Make a key' }))
    const row = keys.getByRole('listitem').filter({ hasText: 'field laptop' })
    await row.getByText('upload, read').waitFor()
    await row.getByText('Ends in 90 days').waitFor()
    await row.getByText(`${key.slice(0, 8)}…`).waitFor()
    await page.reload()
    await row.waitFor()
    expect(await page.content()).not.toContain(key)
    expect(await page.evaluate<string>('JSON.stringify([localStorage, sessionStorage])')).not.toContain(key)
    expect(watched.troubles).toEqual([])
  })

  test('say what a key lacks before it is asked for, with the focus where it is missing', async () => {
    const page = await openSettings(token)
    const keys = section(page, 'API keys')
    const open = keys.getByRole('button', { name: 'Make a key' }).first()
    await open.click()
    await hasFocus(keys.getByLabel('Name'))
    await keys.getByRole('button', { name: 'Make a key' }).last().click()
    await keys.getByText('Give it a name').waitFor()
    expect(await keys.getByLabel('Name').getAttribute('aria-invalid')).toBe('true')
    await keys.getByLabel('Name').fill('x')
    for (const box of await keys.getByRole('checkbox').all()) await box.uncheck()
    await keys.getByLabel('Ends after so many days').fill('soon')
    await page.keyboard.press('Enter')
    await keys.getByText('Choose one right at least.').waitFor()
    await keys.getByText('Write a whole number of days').waitFor()
    await hasFocus(keys.getByRole('checkbox').first())
    await keys.getByRole('button', { name: 'Cancel' }).click()
    await hasFocus(open)
    expect(await ask('/api-keys')).toMatchObject({ items: [] })
    expect(watched.troubles).toEqual([])
  })

  test('revoke a key only when one has agreed, and say that it is over', async () => {
    const { key } = await ask<{ key: string }>('/api-keys', { name: 'lost phone' })
    const page = await openSettings(token)
    const keys = section(page, 'API keys')
    await keys.getByRole('button', { name: 'Revoke lost phone' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Programs that use it are refused from now on.').waitFor()
    expect(await seriousFindings(page)).toEqual([])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await statusWith(key)).toBe(200)
    await hasFocus(keys.getByRole('button', { name: 'Revoke lost phone' }))

    await keys.getByRole('button', { name: 'Revoke lost phone' }).click()
    await dialog.getByRole('button', { name: 'Revoke' }).click()
    await keys.getByRole('listitem').getByText('Revoked', { exact: true }).waitFor()
    expect(await statusWith(key)).toBe(401)
    expect(await keys.getByRole('button', { name: 'Revoke lost phone' }).count()).toBe(0)
    await hasFocus(keys.getByRole('heading', { name: 'API keys' }))
    expect(watched.troubles).toEqual([])
  })

  test('mark the key that one came with, warn about it, and ask to sign in again when it is revoked', async () => {
    const { key } = await ask<{ key: string }>('/api-keys', { name: 'this one' })
    const page = await openSettings(key)
    const keys = section(page, 'API keys')
    await keys
      .getByRole('listitem')
      .filter({ hasText: 'this one' })
      .getByText('You are signed in with it')
      .waitFor()
    await keys.getByRole('button', { name: 'Revoke this one' }).click()
    await page.getByRole('dialog').getByText('the page will ask you to sign in with another one').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
    await page.locator('#sign-in').getByText('Your sign-in has ended. Sign in again.').waitFor()
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
    expect(watched.troubles.filter((one) => !one.includes('401'))).toEqual([])
  })

  test('let a key that is lent make none that lasts longer', async () => {
    const endsAt = new Date(Date.now() + 5 * 86_400_000).toISOString()
    const { key } = await ask<{ key: string }>('/api-keys', { name: 'lent', expires_at: endsAt })
    const page = await openSettings(key)
    const keys = section(page, 'API keys')
    await keys.getByRole('button', { name: 'Make a key' }).click()
    await keys.getByText('a key that ends as your own does').waitFor()
    await keys.getByLabel('Name').fill('longer')
    await keys.getByLabel('Ends after so many days').fill('30')
    await page.keyboard.press('Enter')
    await keys.getByText('It cannot outlive your own key').waitFor()
    await keys.getByLabel('Ends after so many days').fill('')
    await page.keyboard.press('Enter')
    await keys.getByRole('heading', { name: 'The key “longer” is made' }).waitFor()
    expect(await ask('/api-keys')).toMatchObject({ items: [{ name: 'longer', expires_at: endsAt }, {}] })
    expect(watched.troubles).toEqual([])
  })

  test('show many keys some at a time, and what somebody makes or revokes elsewhere', async () => {
    for (let index = 0; index < 23; index += 1) await ask('/api-keys', { name: `key ${index}` })
    const page = await openSettings(token)
    const keys = section(page, 'API keys')
    const rows = keys.getByRole('listitem')
    await rows.first().waitFor()
    expect(await rows.count()).toBe(10)
    await keys.getByRole('button', { name: 'Show more keys' }).click()
    await rows.nth(19).waitFor()
    await keys.getByRole('button', { name: 'Show more keys' }).click()
    await keys.getByText('key 0', { exact: true }).waitFor()
    expect(await rows.count()).toBe(23)
    expect(await keys.getByRole('button', { name: 'Show more keys' }).count()).toBe(0)
    await hasFocus(rows.nth(20))
    await ask('/api-keys', { name: 'from the command line' })
    await keys.getByText('from the command line').waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('add a webhook, show its secret once, test it, and show what it was sent', async () => {
    const page = await openSettings(token)
    const webhooks = section(page, 'Webhooks')
    await webhooks.getByText('No webhooks yet').waitFor()
    await webhooks.getByRole('button', { name: 'Add a webhook' }).click()
    await webhooks.getByLabel('URL').fill(receiver.url)
    await webhooks.getByRole('radio', { name: 'Only these:' }).check()
    await webhooks.getByRole('checkbox', { name: 'An upload has failed' }).uncheck()
    expect(await webhooks.getByRole('checkbox', { name: 'A file is ready' }).isChecked()).toBe(true)
    expect(await seriousFindings(page)).toEqual([])
    await webhooks.getByRole('button', { name: 'Add a webhook' }).last().click()
    await webhooks.getByRole('heading', { name: 'here is its secret' }).waitFor()
    await webhooks.getByText('it is never shown again').waitFor()
    const copy = webhooks.getByRole('button', { name: 'Copy the secret' })
    const secret = await copiedBy(page, () => copy.click())
    expect(secret).toMatch(/^whsec_/)
    await webhooks.getByRole('button', { name: 'I have copied it' }).click()
    expect(await ask('/webhooks')).toMatchObject({
      items: [{ url: receiver.url, events: ['upload.ready.v1'] }],
    })
    await webhooks.getByRole('button', { name: `Test ${receiver.url}` }).click()
    await webhooks.getByText('It works: the program answered 204.').waitFor()
    const [ping] = receiver.received
    expect(ping !== undefined && isGenuine(ping, secret)).toBe(true)
    await send('told.csv', 'a\n')
    await receiver.hasReceived(2)
    await webhooks.getByRole('button', { name: `Deliveries to ${receiver.url}` }).click()
    const deliveries = webhooks.locator('.deliveries li')
    await deliveries.filter({ hasText: 'A file is ready' }).waitFor()
    expect(await deliveries.count()).toBe(2)
    await deliveries.filter({ hasText: 'Test' }).getByText('204').waitFor()
    await valueWhen(
      async () => {
        await webhooks.getByRole('button', { name: 'Look again' }).click()
        return deliveries.getByText('Delivered', { exact: true }).count()
      },
      (count) => count === 2,
    )
    expect(await deliveries.getByText('Delivered', { exact: true }).count()).toBe(2)
    expect(await seriousFindings(page)).toEqual([])
    await page.reload()
    await webhooks.getByText(receiver.url).waitFor()
    expect(await page.content()).not.toContain(secret)
    expect(watched.troubles).toEqual([])
  })

  test('say why a webhook does not work, and when it is tried again', async () => {
    receiver.behave((response) => void response.writeHead(500).end('no'))
    await ask('/webhooks', { url: REFUSED })
    await ask('/webhooks', { url: receiver.url })
    const page = await openSettings(token)
    const webhooks = section(page, 'Webhooks')
    await webhooks.getByRole('button', { name: `Test ${REFUSED}` }).click()
    await webhooks.getByText('It does not work. The connection was refused.').waitFor()
    await send('untold.csv', 'a\n')
    await receiver.hasReceived(1)
    await webhooks.getByRole('button', { name: `Deliveries to ${receiver.url}` }).click()
    const waiting = webhooks.locator('.deliveries li').filter({ hasText: 'again in' })
    await valueWhen(
      async () => {
        await webhooks.getByRole('button', { name: 'Look again' }).click()
        return waiting.count()
      },
      (count) => count > 0,
    )
    await waiting.first().getByText('500', { exact: true }).waitFor()
    await waiting.first().getByText('On its way').waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('show a refusal of the server beside the form, with what the server says', async () => {
    const page = await openSettings(token)
    const webhooks = section(page, 'Webhooks')
    await webhooks.getByRole('button', { name: 'Add a webhook' }).click()
    const url = webhooks.getByLabel('URL')
    await url.fill('example.org')
    await page.keyboard.press('Enter')
    await webhooks.getByText('It must be a whole URL').waitFor()
    await hasFocus(url)
    for (let index = 0; index < 20; index += 1) await ask('/webhooks', { url: `${receiver.url}/${index}` })
    await url.fill(receiver.url)
    await page.keyboard.press('Enter')
    const refusal = webhooks.getByRole('alert')
    await refusal.getByText('The webhook was not added.').waitFor()
    await refusal.getByText('20 webhooks').waitFor()
    await refusal.getByRole('button', { name: 'Copy Request' }).waitFor()
    expect(await url.inputValue()).toBe(receiver.url)
    expect(watched.troubles.filter((one) => !one.includes('409'))).toEqual([])
  })

  test('delete a webhook only when one has agreed', async () => {
    await ask('/webhooks', { url: receiver.url })
    const page = await openSettings(token)
    const webhooks = section(page, 'Webhooks')
    await webhooks.getByRole('button', { name: `Delete ${receiver.url}` }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(receiver.url).waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    expect(await ask('/webhooks')).toMatchObject({ items: [{ url: receiver.url }] })
    await webhooks.getByRole('button', { name: `Delete ${receiver.url}` }).click()
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await webhooks.getByText('No webhooks yet').waitFor()
    expect(await ask('/webhooks')).toMatchObject({ items: [] })
    expect(watched.troubles).toEqual([])
  })

  test.each([
    ['read', 'Making keys needs the right “upload”', 'Adding and testing webhooks needs the right “upload”'],
    [
      'upload',
      'Seeing the list of keys needs the right “read”',
      'Seeing the list of webhooks needs the right “read”',
    ],
  ])('with a key that may only %s say what is lacking', async (scope, ofKeys, ofWebhooks) => {
    await ask('/webhooks', { url: receiver.url })
    const { key } = await ask<{ key: string }>('/api-keys', { name: 'little', scopes: [scope] })
    const page = await openSettings(key)
    await section(page, 'API keys').getByText(ofKeys).waitFor()
    const webhooks = section(page, 'Webhooks')
    await webhooks.getByText(ofWebhooks).waitFor()
    expect(await page.getByRole('button', { name: 'Make a key' }).count()).toBe(scope === 'upload' ? 1 : 0)
    expect(await webhooks.getByRole('button', { name: 'Delete' }).count()).toBe(0)
    expect(await seriousFindings(page)).toEqual([])
    expect(watched.troubles.filter((one) => !one.includes('403'))).toEqual([])
  })

  test('say what is the matter when a list cannot be had, and have it when that is over', async () => {
    await ask('/api-keys', { name: 'there all the time' })
    const page = await openSettings(token)
    const keys = section(page, 'API keys')
    await keys.getByText('there all the time').waitFor()
    await page.goto(`${server.url}/#/`)
    await page.route('**/api-keys?*', (route) => route.fulfill({ status: 404, json: {} }))
    await page.goto(`${server.url}/#/settings`)
    const retry = keys.getByRole('button', { name: 'Try again' })
    await retry.waitFor()
    await page.unroute('**/api-keys?*')
    await retry.click()
    await keys.getByText('there all the time').waitFor()
    expect(await retry.count()).toBe(0)
    expect(watched.troubles.filter((one) => !one.includes('404'))).toEqual([])
  })

  test('change the language of the page, which stays', async () => {
    const page = await openSettings(token)
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
    await page.getByLabel('Language of this page').selectOption('Español')
    await page.getByRole('heading', { level: 1, name: 'Ajustes' }).waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('es')
    await page.reload()
    await section(page, 'Claves de API').getByRole('button', { name: 'Crear una clave' }).waitFor()
    expect(await page.getByText('Settings').count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('can be worked by keyboard alone', async () => {
    const page = await openSettings(token, { reducedMotion: 'reduce' })
    const keys = section(page, 'API keys')
    await keys.getByText('No keys yet').waitFor()
    const focused = () =>
      page.evaluate<string>('document.activeElement?.closest("button")?.textContent ?? ""')
    for (let steps = 0; steps < 30 && (await focused()) !== 'Make a key'; steps += 1)
      await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await hasFocus(keys.getByLabel('Name'))
    await page.keyboard.type('by hand')
    await page.keyboard.press('Enter')
    await keys.getByRole('heading', { name: 'The key “by hand” is made' }).waitFor()
    for (let steps = 0; steps < 10 && (await focused()) !== 'I have copied it'; steps += 1)
      await page.keyboard.press('Tab')
    await page.keyboard.press('Space')
    await hasFocus(keys.getByRole('button', { name: 'Make a key' }))
    await keys.getByRole('button', { name: 'Revoke by hand' }).waitFor()
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Revoke')
    await page.keyboard.press('Enter')
    await hasFocus(page.getByRole('dialog').getByRole('button', { name: 'Cancel' }))
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await keys.getByText('Revoked', { exact: true }).waitFor()
    expect(watched.troubles).toEqual([])
  })
})
