// Uploads over plain REST, through the real server: lists, details, ends, URLs, EML.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { checksumsOf, eventsOf, pathOf, rowsOf, stored, TusClient } from '../dialects/tus-client.js'
import { startServer, type TestServer } from '../support/server.js'

let server: TestServer
let tus: TusClient

beforeAll(async () => {
  server = await startServer({
    env: { UPLOAD_TTL: '10d', MAX_TTL: '20d', PUBLIC_URL: 'https://staging.example.org' },
  })
  tus = new TusClient(server)
})
afterAll(() => server.dispose())
beforeEach(() => rowsOf(server, 'TRUNCATE packages, parts, uploads, events, blobs, garbage CASCADE'))

interface Page {
  items: Report[]
  next_cursor: string | null
}

function get(path: string): Promise<Answer> {
  return tus.send('GET', path, { 'Tus-Resumable': undefined })
}

async function list(query = ''): Promise<Page> {
  const answer = await get(`/uploads${query}`)
  expect(answer.status).toBe(200)
  return JSON.parse(answer.body.toString())
}

async function names(query: string): Promise<(string | null)[]> {
  return (await list(query)).items.map(({ filename }) => filename).sort()
}

function change(id: string, changes: unknown, type = 'application/merge-patch+json'): Promise<Answer> {
  const body = Buffer.from(typeof changes === 'string' ? changes : JSON.stringify(changes))
  return tus.send('PATCH', `/uploads/${id}`, { 'Tus-Resumable': undefined, 'Content-Type': type }, body)
}

describe('GET /uploads', () => {
  test('of nobody’s uploads is empty', async () => {
    expect(await list()).toEqual({ items: [], next_cursor: null })
  })

  test('filters by label, state and text, and all of them at once', async () => {
    await tus.put(Buffer.from('1'), { filename: 'lake_1.csv', label: 'lakes' })
    await tus.put(Buffer.from('2'), { filename: 'lake_2.csv', label: 'lakes', key: 'EDI-7' })
    await tus.put(Buffer.from('3'), {
      filename: '100%_river.csv',
      label: 'rivers',
      relativePath: 'deep/river.csv',
    })
    await tus.begin(5, { filename: 'waiting.csv', label: 'lakes' })
    await tus.remove((await tus.put(Buffer.from('4'), { filename: 'deleted.csv', label: 'lakes' })).id)

    expect(await names('')).toEqual(['100%_river.csv', 'lake_1.csv', 'lake_2.csv', 'waiting.csv'])
    expect(await names('?label=lakes')).toEqual(['lake_1.csv', 'lake_2.csv', 'waiting.csv'])
    expect(await names('?label=Lakes')).toEqual([])
    expect(await names('?state=receiving')).toEqual(['waiting.csv'])
    expect(await names('?state=receiving,deleted')).toEqual(['deleted.csv', 'waiting.csv'])
    expect(await names('?q=LAKE')).toEqual(['lake_1.csv', 'lake_2.csv', 'waiting.csv'])
    expect(await names('?q=edi-7')).toEqual(['lake_2.csv'])
    expect(await names('?q=deep')).toEqual(['100%_river.csv'])
    // % and _ mean themselves.
    expect(await names('?q=0%25_r')).toEqual(['100%_river.csv'])
    expect(await names('?q=e_')).toEqual(['lake_1.csv', 'lake_2.csv'])
    expect(await names('?q=%25')).toEqual(['100%_river.csv'])
    expect(await names('?q=%5C')).toEqual([])
    expect(await names('?label=lakes&state=ready&q=2')).toEqual(['lake_2.csv'])
  })

  test('shows those of one package, or those in none', async () => {
    const { package_id: lake } = await tus.put(Buffer.from('1'), { filename: 'in.csv', label: 'lakes' })
    await tus.put(Buffer.from('2'), { filename: 'alone.csv' })
    expect(await names(`?package_id=${lake}`)).toEqual(['in.csv'])
    expect(await names('?package_id=none')).toEqual(['alone.csv'])
    expect(await names('?package_id=none&q=in')).toEqual([])
    expect(await names(`?package_id=${'f'.repeat(40)}`)).toEqual([])
  })

  test('sorted by name it goes on behind the longest one, whatever is in it', async () => {
    const long = `${'"'.repeat(1000)}.csv`
    const wanted = [long, 'a.csv', 'B.csv', 'c.csv']
    for (const filename of [...wanted].reverse()) await tus.put(Buffer.from(filename), { filename })
    const seen: (string | null)[] = []
    let query = '?sort=filename&limit=1'
    for (;;) {
      const page = await list(query)
      seen.push(...page.items.map(({ filename }) => filename))
      if (page.next_cursor === null) break
      query = `?sort=filename&limit=1&cursor=${page.next_cursor}`
    }
    expect(seen).toEqual(wanted)
  })

  test('an id finds its upload', async () => {
    const { id } = await tus.put(Buffer.from('1'))
    await tus.put(Buffer.from('2'))
    expect((await list(`?q=${id}`)).items.map((item) => item.id)).toEqual([id])
  })

  test.each([
    ['created_at', 1],
    ['-created_at', -1],
    ['expires_at', 1],
    ['-expires_at', -1],
  ])('sorted by %s, pages of any size cut the same list, with ties', async (sort, direction) => {
    for (let i = 0; i < 11; i += 1) await tus.put(Buffer.from(`file ${i}`), { filename: `file ${i}` })
    // Four moments for eleven uploads.
    await rowsOf(
      server,
      `UPDATE uploads SET created_at = '2026-01-01Z'::timestamptz + ascii(right(id, 1)) % 4 * interval '1 ms',
        expires_at = now() + interval '1 day' + ascii(left(id, 1)) % 4 * interval '1 ms'`,
    )
    const column = sort.replace('-', '') as 'created_at' | 'expires_at'
    const whole = (await list(`?sort=${sort}`)).items
    expect(whole).toHaveLength(11)
    const sorted = [...whole].sort((a, b) => {
      const order = Date.parse(String(a[column])) - Date.parse(String(b[column])) || (a.id < b.id ? -1 : 1)
      return order * direction
    })
    expect(whole.map(({ id }) => id)).toEqual(sorted.map(({ id }) => id))

    for (const limit of [1, 3, 10, 11, 500]) {
      const seen: string[] = []
      let path: string | undefined = `/uploads?sort=${sort}&limit=${limit}`
      while (path !== undefined) {
        const answer = await get(path)
        const page: Page = JSON.parse(answer.body.toString())
        seen.push(...page.items.map(({ id }) => id))
        expect(page.items.length).toBeLessThanOrEqual(limit)
        const link = /^<https:\/\/staging\.example\.org(\/uploads\?[^>]+)>; rel="next"$/.exec(
          String(answer.headers.link),
        )
        expect(link === null).toBe(page.next_cursor === null)
        if (link !== null)
          expect(new URL(link[1] ?? '', 'http://x').searchParams.get('cursor')).toBe(page.next_cursor)
        path = link?.[1]
      }
      expect(seen).toEqual(whole.map(({ id }) => id))
    }
  })

  test('what comes in between pages moves nothing', async () => {
    for (let i = 0; i < 4; i += 1) await tus.put(Buffer.from(`${i}`), { filename: `${i}` })
    const first = await list('?sort=created_at&limit=2')
    await tus.put(Buffer.from('new'), { filename: 'new' })
    await tus.remove(first.items[0]?.id ?? '')
    const second = await list(`?sort=created_at&limit=10&cursor=${first.next_cursor}`)
    expect([...first.items, ...second.items].map(({ filename }) => filename)).toEqual([
      '0',
      '1',
      '2',
      '3',
      'new',
    ])
  })

  test('a cursor that was tampered with is 400', async () => {
    for (let i = 0; i < 3; i += 1) await tus.put(Buffer.from(`${i}`))
    const { next_cursor: cursor } = await list('?limit=1')
    for (const forged of [
      `${cursor}x`,
      cursor?.slice(2),
      cursor?.toUpperCase(),
      'null',
      '%00',
      '-created_at',
    ]) {
      expectProblem(await get(`/uploads?cursor=${forged}`), 400, 'INVALID_INPUT')
    }
    expectProblem(await get(`/uploads?sort=created_at&cursor=${cursor}`), 400, 'INVALID_INPUT')
    expect((await list(`?cursor=${cursor}`)).items).toHaveLength(2)
  })

  test('is never cached', async () => {
    expect((await get('/uploads')).headers['cache-control']).toBe('no-store')
  })
})

describe('PATCH with application/merge-patch+json', () => {
  test('changes label, key and note; null removes; what is not named stays', async () => {
    const { id } = await tus.put(Buffer.from('x'), { label: 'old', key: 'k' })
    const changed = await change(id, { label: 'new', note: 'see the readme' })
    expect(JSON.parse(changed.body.toString())).toMatchObject({
      id,
      label: 'new',
      key: 'k',
      note: 'see the readme',
    })
    await change(id, { key: null })
    await change(id, {})
    expect(await tus.report(id)).toMatchObject({ label: 'new', key: null, note: 'see the readme' })
    expect(await names('?label=new')).toHaveLength(1)
  })

  test('moves the end later, up to MAX_TTL, never earlier', async () => {
    const report = await tus.put(Buffer.from('x'))
    const at = (days: number) => new Date(Date.parse(report.created_at) + days * 86_400_000).toISOString()
    expect(JSON.parse((await change(report.id, { expires_at: at(15) })).body.toString()).expires_at).toBe(
      at(15),
    )
    const offset = at(16).replace('Z', '+00:00')
    expect(JSON.parse((await change(report.id, { expires_at: offset })).body.toString()).expires_at).toBe(
      at(16),
    )
    for (const expires_at of [at(15), at(20.1), at(-1), '9999-12-31T23:59:59Z']) {
      expectProblem(await change(report.id, { expires_at }), 400, 'INVALID_INPUT')
    }
    const late = await change(report.id, { expires_at: at(21) })
    expect(JSON.parse(late.body.toString()).details).toEqual({
      expires_at: at(16),
      latest_expires_at: at(20),
    })
    expect((await tus.report(report.id)).expires_at).toBe(at(16))
  })

  test('moves an unfinished upload’s end, and it stays there with the next bytes and when it is ready', async () => {
    const id = await tus.begin(15)
    await tus.patch(id, 0, Buffer.from('abcde'))
    const { created_at } = await tus.report(id)
    const end = new Date(Date.parse(created_at) + 15 * 86_400_000).toISOString()
    expect((await change(id, { expires_at: end })).status).toBe(200)
    await tus.patch(id, 5, Buffer.from('fghij'))
    expect(await tus.report(id)).toMatchObject({ state: 'receiving', offset: 10, expires_at: end })
    await tus.patch(id, 10, Buffer.from('klmno'))
    expect(await tus.report(id)).toMatchObject({ state: 'ready', expires_at: end })
  })

  test('refused as a whole, when a part of it is refused', async () => {
    const { id } = await tus.put(Buffer.from('x'), { label: 'old' })
    expectProblem(
      await change(id, { label: 'new', expires_at: '2020-01-01T00:00:00Z' }),
      400,
      'INVALID_INPUT',
    )
    expect((await tus.report(id)).label).toBe('old')
  })

  test.each([
    ['an unknown member', { labl: 'x' }],
    ['a member that is not theirs to change', { state: 'ready' }],
    ['an owner', { owner: 'me' }],
    ['a number', { label: 7 }],
    ['a list', []],
    ['null', null],
    ['a text', '"label"'],
    ['no JSON', '{"label":'],
    ['control characters', { label: 'a\r\nb' }],
    ['NUL', { note: 'a\0' }],
    ['a label over 1024 characters', { label: 'x'.repeat(1025) }],
    ['an empty label', { label: '' }],
    ['an end that is null', { expires_at: null }],
    ['an end that is no date', { expires_at: 'tomorrow' }],
    ['an end without a zone', { expires_at: '2030-01-01T00:00:00' }],
    ['an end that is a number', { expires_at: 1_900_000_000 }],
    ['a prototype', '{"__proto__":{"label":"x"}}'],
  ])('%s is 400 and changes nothing', async (_, changes) => {
    const { id } = await tus.put(Buffer.from('x'), { label: 'old', key: 'k' })
    const before = await tus.report(id)
    expectProblem(await change(id, changes), 400, 'INVALID_INPUT')
    expect({ ...(await tus.report(id)), expires_in: 0 }).toEqual({ ...before, expires_in: 0 })
  })

  test('over 16 KiB is 413, and another type is 4xx', async () => {
    const { id } = await tus.put(Buffer.from('x'))
    expectProblem(await change(id, { note: 'x'.repeat(20_000) }), 413, 'PAYLOAD_TOO_LARGE')
    expect((await change(id, { note: 'x' }, 'application/json')).status).toBeGreaterThanOrEqual(400)
    expect((await tus.report(id)).note).toBeNull()
  })

  test('of what has ended is 410', async () => {
    const { id } = await tus.put(Buffer.from('x'))
    await tus.remove(id)
    expectProblem(await change(id, { label: 'x' }), 410, 'GONE')
  })

  test('text outside the BMP, and half of it, come back as text', async () => {
    const { id } = await tus.put(Buffer.from('x'))
    await change(id, { note: '🐟 湖' })
    expect((await tus.report(id)).note).toBe('🐟 湖')
    const half = await change(id, '{"note":"\\ud83d"}')
    expect([200, 400]).toContain(half.status)
  })
})

describe('DELETE', () => {
  test('takes the record’s bytes and URL, and leaves a report', async () => {
    const before = await stored(server)
    const report = await tus.put(Buffer.from('doomed'), { filename: 'd.csv' })
    const answer = await tus.send('DELETE', `/uploads/${report.id}`, { 'Tus-Resumable': undefined })
    expect([answer.status, answer.body.length]).toEqual([204, 0])
    expect(await tus.report(report.id)).toMatchObject({
      state: 'deleted',
      filename: 'd.csv',
      checksums: checksumsOf(Buffer.from('doomed')),
      file_id: null,
      retrieval_url: null,
      eml_url: null,
      expires_in: 0,
    })
    expect(await stored(server)).toEqual(before)
    expect(await rowsOf(server, 'SELECT * FROM blobs')).toEqual([])
    expect(await rowsOf(server, 'SELECT * FROM garbage')).toEqual([])
    expect((await eventsOf(server, report.id)).at(-1)).toBe('upload.deleted.v1')
    expectProblem(await ask(server.url, { method: 'GET', path: pathOf(report.retrieval_url) }), 410, 'GONE')
  })

  test('of what never was is 404', async () => {
    expectProblem(await tus.remove('0'.repeat(40)), 404, 'NOT_FOUND')
  })

  test('of a failed upload takes it off the list', async () => {
    const metadata = { sha256: '0'.repeat(64) }
    expectProblem(await tus.create({ sizeBytes: 1, metadata, body: Buffer.from('x') }), 422, 'HASH_MISMATCH')
    const [failed] = (await list()).items
    expect(failed?.state).toBe('failed')
    expect((await tus.remove(failed?.id ?? '')).status).toBe(204)
    expect((await list()).items).toEqual([])
  })

  test('by twenty at once happens once', async () => {
    const { id } = await tus.put(Buffer.from('x'))
    const answers = await Promise.all(Array.from({ length: 20 }, () => tus.remove(id)))
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([204, ...Array.from({ length: 19 }, () => 410)])
    expect((await eventsOf(server, id)).filter((type) => type === 'upload.deleted.v1')).toHaveLength(1)
  })
})

describe('POST …/retrieval-url', () => {
  test('makes a new URL, and the old one is dead', async () => {
    const report = await tus.put(Buffer.from('x'), { filename: 'a b.csv' })
    const answer = await tus.send('POST', `/uploads/${report.id}/retrieval-url`)
    expect(answer.status).toBe(200)
    const { retrieval_url: url } = JSON.parse(answer.body.toString())
    expect(url).toMatch(/^https:\/\/staging\.example\.org\/r\/[\w-]{27}\/a%20b\.csv$/)
    expect(url).not.toBe(report.retrieval_url)
    expect((await ask(server.url, { method: 'GET', path: pathOf(url) })).status).toBe(200)
    expectProblem(
      await ask(server.url, { method: 'GET', path: pathOf(report.retrieval_url) }),
      404,
      'NOT_FOUND',
    )
    expect((await tus.report(report.id)).retrieval_url).toBe(url)
  })

  test('of what is not ready is 409', async () => {
    const id = await tus.begin(5)
    expectProblem(await tus.send('POST', `/uploads/${id}/retrieval-url`), 409, 'CONFLICT')
    expect(await rowsOf(server, 'SELECT retrieval_token FROM uploads')).toEqual([{ retrieval_token: null }])
  })
})

describe('GET …/eml', () => {
  test('is the physical element that PASTA reads, in the schema’s order', async () => {
    const bytes = Buffer.from('a,b\n')
    const report = await tus.put(bytes, { filename: 'R&D <"draft">.csv', filetype: 'text/csv' })
    const answer = await get(`/uploads/${report.id}/eml`)
    expect([answer.status, answer.headers['content-type']]).toEqual([
      200,
      expect.stringContaining('application/xml'),
    ])
    const { md5, sha1 } = checksumsOf(bytes)
    expect(answer.body.toString()).toBe(`<physical>
  <objectName>R&amp;D &lt;&quot;draft&quot;&gt;.csv</objectName>
  <size unit="byte">4</size>
  <authentication method="MD5">${md5}</authentication>
  <authentication method="SHA-1">${sha1}</authentication>
  <dataFormat><externallyDefinedFormat><formatName>text/csv</formatName></externallyDefinedFormat></dataFormat>
  <distribution><online>
    <url function="download">${report.retrieval_url}</url>
  </online></distribution>
</physical>
`)
  })

  test('of what is not ready is 409', async () => {
    expectProblem(await get(`/uploads/${await tus.begin(5)}/eml`), 409, 'CONFLICT')
  })
})

describe('rights', () => {
  test('without a credential: 401 and how to bring one; a bad one is named', async () => {
    const requests = [
      ['GET', '/uploads'],
      ['POST', '/uploads'],
      ['PATCH', '/uploads/x'],
      ['DELETE', '/uploads/x'],
    ] as const
    for (const [method, path] of requests) {
      const missing = await ask(server.url, { method, path, headers: { 'Tus-Resumable': '1.0.0' } })
      expectProblem(missing, 401, 'UNAUTHORIZED')
      expect(missing.headers['www-authenticate']).toBe('Bearer realm="antipasto"')
      const bad = await ask(server.url, {
        method,
        path,
        headers: { Authorization: 'Bearer nonsense-of-some-length' },
      })
      expectProblem(bad, 401, 'UNAUTHORIZED')
      expect(bad.headers['www-authenticate']).toContain('error="invalid_token"')
    }
    expect(await rowsOf(server, 'SELECT * FROM uploads')).toEqual([])
  })
})

describe('settings', () => {
  test('DELETE_STRICT_404=false: what is not there is deleted already; ANON_READ=true: who has no key may read', async () => {
    const lenient = await startServer({ env: { DELETE_STRICT_404: 'false', ANON_READ: 'true' } })
    try {
      const client = new TusClient(lenient)
      const { id } = await client.put(Buffer.from('x'))
      const anonymous = await ask(lenient.url, { method: 'GET', path: `/uploads/${id}` })
      expect([anonymous.status, JSON.parse(anonymous.body.toString()).id]).toEqual([200, id])
      const list = await ask(lenient.url, { method: 'GET', path: '/uploads' })
      expect(JSON.parse(list.body.toString()).items).toHaveLength(1)
      expectProblem(await ask(lenient.url, { method: 'DELETE', path: `/uploads/${id}` }), 401, 'UNAUTHORIZED')
      expect((await client.report(id)).state).toBe('ready')
      for (const missing of [id, id, '0'.repeat(40)]) expect((await client.remove(missing)).status).toBe(204)
      expect((await client.report(id)).state).toBe('deleted')
    } finally {
      await lenient.dispose()
    }
  })
})
