// The whole way of a package of fifty files, through the public API alone: in by four dialects, finalized, pulled, verified,
// described in EML, watched from the first event to the last, and deleted.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { decode } from 'cborg'
import type { z } from 'zod'
import type { manifestSchema, packageSchema } from '../../server/packages/operations.js'
import type { Report } from '../../server/uploads/report.js'
import { expectProblem } from '../dialects/problem-of.js'
import { bodyOf, queryOf, RestClient } from '../dialects/rest-client.js'
import { assertDeterministicCbor, canonicalJson } from '../packages/canonical.js'
import { findAll, parseXml, schemaProblems, type XmlNode } from '../packages/eml-schema.js'
import { describeS3 } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type TailedEvent, tailByPolling, tailByStream } from './event-tails.js'
import { digestsOf, storedFiles } from './evidence.js'
import { type Destination, send } from './four-ways.js'
import { get } from './raw-tus.js'
import { newS3Ground } from './s3-ground.js'
import { LOGGER_BYTES, nameOf, OF_THE_DOCUMENT, type SurveyFile, surveyFiles, WAYS } from './survey.js'

type Package = z.infer<typeof packageSchema>
type Manifest = z.infer<typeof manifestSchema>
type Page = { items: Report[]; next_cursor: string | null }

interface Ground {
  readonly server: TestServer
  readonly store: 'local' | 's3'
  /** How many things are in the store, whatever they are. */
  storedCount(): Promise<number>
  dispose(): Promise<void>
}

async function localGround(): Promise<Ground> {
  const server = await startServer()
  return {
    server,
    store: 'local',
    storedCount: async () => Object.values(await storedFiles(server.dataDir)).flat().length,
    dispose: () => server.dispose(),
  }
}

async function s3Ground(): Promise<Ground> {
  const ground = await newS3Ground()
  return {
    server: await ground.startInstance(),
    store: 's3',
    storedCount: async () => (await ground.stored()).length,
    dispose: () => ground.dispose(),
  }
}

/** What Java's HttpURLConnection says in PASTA's pull. */
const JAVA = {
  'User-Agent': 'Java/17.0.15',
  Accept: 'text/html, image/gif, image/jpeg, */*; q=0.2',
  Connection: 'keep-alive',
}
const LAKE_XML = new URL('../../../test/packages/eml/lake.xml', import.meta.url)
/** Of the package, but not of the document. */
const UNUSED = ['LICENSE.txt', 'README', 'eml.xml']
const END = 'The end of the survey'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const pathOf = ({ path }: SurveyFile) => path.normalize('NFC')
const byPathBytes = (a: SurveyFile, b: SurveyFile) =>
  Buffer.compare(Buffer.from(pathOf(a)), Buffer.from(pathOf(b)))

describe('a package of fifty files, on a disk', () => wholeWay(localGround))
describeS3('a package of fifty files, on S3', () => wholeWay(s3Ground))

/** Each test goes on where the one before has stopped. */
function wholeWay(newGround: () => Promise<Ground>): void {
  const files = surveyFiles().sort(byPathBytes)
  const uploadIds = new Map<SurveyFile, string>()
  let ground: Ground
  let rest: RestClient
  let to: Destination
  let finalized: Package
  let manifest: Manifest
  let reports: Report[]
  let tails: Promise<TailedEvent[][]>

  beforeAll(async () => {
    ground = await newGround()
    const { server } = ground
    rest = new RestClient(server)
    const isLast = ({ data }: TailedEvent) => 'name' in data && data.name === END
    tails = Promise.all([
      tailByPolling(server, 'application/cbor', isLast),
      tailByPolling(server, 'application/json', isLast),
      tailByStream(server, isLast),
    ])
    // Whoever awaits them sees it.
    tails.catch(() => {})
  })

  afterAll(() => ground.dispose())

  async function take<T>(path: string): Promise<T> {
    const answer = await rest.send('GET', path)
    expect([answer.status, path]).toEqual([200, path])
    return bodyOf<T>(answer)
  }

  async function listed(path: string): Promise<Report[]> {
    const { items, next_cursor: cursor } = await take<Page>(path)
    return cursor === null ? items : [...items, ...(await listed(withCursor(path, cursor)))]
  }

  test('it comes in by tus, as bodies, in forms and by ranges, all at once', async () => {
    expect([files.length, new Set(files.map(pathOf)).size]).toEqual([50, 50])
    const label = 'müggelsee 2024'
    const description = {
      name: 'Survey of Lake Müggel',
      label,
      metadata: { doi: '10.6073/pasta/…', years: [2019, 2024] },
    }
    const created = await rest.json('POST', '/packages', description)
    expect(created.status).toBe(201)
    to = { server: ground.server, rest, packageId: bodyOf<Package>(created).id, label }
    await Promise.all(
      WAYS.map(async (way) => {
        for (const file of files.filter((one) => one.way === way))
          uploadIds.set(file, await send[way](file, to))
      }),
    )
    const packageIsReady = async () =>
      (await take<Package>(`/packages/${to.packageId}`)).counts.ready === files.length
    await until(packageIsReady)
  })

  test('no path is taken twice, and nothing is finalized before it is whole', async () => {
    const { packageId } = to
    const twin = files.find(({ path }) => path !== path.normalize('NFC'))
    const query = queryOf({ relative_path: twin?.path.normalize('NFC') })
    const refused = await rest.send(
      'POST',
      `/packages/${packageId}/files?${query}`,
      {},
      Buffer.from('another'),
    )
    expectProblem(refused, 409, 'CONFLICT')
    const session = await rest.json('POST', '/uploads', {
      filename: 'late.csv',
      package_id: packageId,
      size: 3,
    })
    const { id } = bodyOf(session)
    const early = await rest.send('POST', `/packages/${packageId}/finalize`)
    expect(expectProblem(early, 409, 'CONFLICT').details).toMatchObject({
      not_ready: [{ id, path: 'late.csv', state: 'receiving' }],
    })
    expect((await rest.send('DELETE', `/uploads/${id}`)).status).toBe(204)
  })

  test('finalized twice at once, it is the same; then nothing of it changes', async () => {
    const target = `/packages/${to.packageId}/finalize`
    const [one, two] = await Promise.all([rest.send('POST', target), rest.send('POST', target)])
    expect([one.status, two.status]).toEqual([200, 200])
    finalized = bodyOf<Package>(one)
    expect(bodyOf<Package>(two).manifest_sha256).toBe(finalized.manifest_sha256)
    const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0)
    expect(finalized).toMatchObject({
      state: 'finalized',
      counts: { total: 50, ready: 50, failed: 0, unfinished: 0, bytes },
    })
    const id = String(uploadIds.values().next().value)
    expectProblem(await rest.send('DELETE', `/uploads/${id}`), 409, 'PACKAGE_FINALIZED')
    const late = await rest.send('POST', `/files?package_id=${to.packageId}`, {}, Buffer.from('late'))
    expectProblem(late, 409, 'PACKAGE_FINALIZED')
  })

  test('each content is stored once, however often it came', async () => {
    const distinct = new Set(files.map(({ digests }) => digests.sha256)).size
    expect(distinct).toBeLessThanOrEqual(44)
    await until(async () => (await ground.storedCount()) === distinct)
  })

  test('every file has the digests of its bytes, and gives them by its URL and by its content', async () => {
    reports = await listed(`/packages/${to.packageId}/files?limit=9`)
    expect(reports.map(({ id }) => id)).toEqual(files.map((file) => uploadIds.get(file)))
    expect(new Set(reports.map((report) => report.retrieval_url)).size).toBe(50)
    for (const [i, file] of files.entries()) {
      const report = reports[i]
      expect(report).toMatchObject({
        state: 'ready',
        package_id: to.packageId,
        relative_path: pathOf(file),
        content_type: file.mediaType,
        size: file.bytes.length,
        checksums: file.digests,
        file_id: file.digests.sha256,
        error: null,
      })
      expect(report?.filename?.normalize('NFC')).toBe(nameOf(file).normalize('NFC'))
      await expectPulled(String(report?.retrieval_url), file.bytes)
      const byContent = await rest.send('GET', `/files/${file.digests.sha256}`)
      expect([byContent.status, byContent.headers.etag]).toEqual([200, `"${file.digests.sha256}"`])
      expect(byContent.body.equals(file.bytes)).toBe(true)
    }
  })

  test('the manifest says so, in CBOR and in JSON, to the letter', async () => {
    const route = `/packages/${to.packageId}/manifest`
    const [cbor, json] = [await rest.send('GET', route), await rest.send('GET', `${route}.json`)]
    expect([cbor.headers['content-type'], json.headers['content-type']]).toEqual([
      'application/cbor',
      'application/json',
    ])
    manifest = bodyOf<Manifest>(json)
    expect(decode(cbor.body)).toEqual(manifest)
    assertDeterministicCbor(cbor.body)
    expect(json.body.toString()).toBe(canonicalJson(manifest))
    expect(finalized.manifest_sha256).toBe(sha256(cbor.body))
    for (const [target, { body, headers }] of [
      [route, cbor],
      [`${route}.json`, json],
    ] as const) {
      const etag = `"${sha256(body)}"`
      expect([headers.etag, headers['content-length']]).toEqual([etag, String(body.length)])
      const known = await rest.send('GET', target, { 'If-None-Match': etag })
      expect([known.status, known.headers.etag, known.body.length]).toEqual([304, etag, 0])
      const head = await rest.send('HEAD', target)
      expect([head.status, head.headers.etag, head.headers['content-length']]).toEqual([
        200,
        etag,
        String(body.length),
      ])
    }
    const negotiated = await rest.send('GET', route, { Accept: 'application/json' })
    expect(negotiated.body.equals(json.body)).toBe(true)
  })

  test('the manifest has what was sent, byte for byte', () => {
    expect(manifest.files).toEqual(
      files.map((file) => ({
        path: pathOf(file),
        size: file.bytes.length,
        media_type: file.mediaType,
        ...digestsOf(file.bytes),
        upload_id: uploadIds.get(file),
        received: { started_at: expect.any(String), finished_at: expect.any(String) },
        storage_receipt: {
          store: ground.store,
          upload_id: uploadIds.get(file),
          size: file.bytes.length,
          sha256: file.digests.sha256,
          stored_at: expect.any(String),
        },
      })),
    )
    expect(manifest).toMatchObject({
      package: {
        id: to.packageId,
        name: 'Survey of Lake Müggel',
        label: to.label,
        metadata: { years: [2019, 2024] },
      },
      totals: { files: 50, bytes: finalized.counts.bytes },
      provenance: { service: 'antipasto', store: ground.store },
    })
  })

  test('an EML document is filled with it, and what that says is what PASTA gets', async () => {
    const source = await surveyDocument(files)
    const patch = (document: string, accept: string) =>
      rest.send(
        'POST',
        `/eml?${queryOf({ label: to.label })}`,
        { 'Content-Type': 'application/xml', Accept: accept },
        Buffer.from(document),
      )
    const answer = await patch(source, 'application/xml')
    expect(answer.status).toBe(200)
    const document = answer.body.toString()
    const header = (name: string) => String(answer.headers[name]).split(',').map(decodeURIComponent)
    expect(header('x-eml-missing')).toEqual(['nowhere.bin'])
    expect(header('x-eml-unused')).toEqual(UNUSED)

    const report = bodyOf<{
      document: string
      matched: { object_name: string; upload_id: string; path: string }[]
      missing: object[]
      unused: { path: string }[]
    }>(await patch(source, 'application/json'))
    expect(report.document).toBe(document)
    const named = files.filter(({ path }) => !UNUSED.includes(path))
    expect(new Map(report.matched.map(({ path, upload_id: id }) => [path, id]))).toEqual(
      new Map(named.map((file) => [pathOf(file), uploadIds.get(file)])),
    )
    expect(report.missing).toMatchObject([{ object_name: 'nowhere.bin', entity: 'Not uploaded' }])
    expect(report.unused.map(({ path }) => path)).toEqual(UNUSED)
    expect((await patch(document, 'application/xml')).body.toString()).toBe(document)

    const [dataset] = findAll(parseXml(document), 'dataset')
    expect(schemaProblems(dataset!)).toEqual([])
    const physicals = dataset!.children.flatMap((entity) => findAll(entity, 'physical'))
    expect(physicals).toHaveLength(named.length + 1)
    for (const physical of physicals) {
      const objectName = textOf(physical, 'objectName')
      if (objectName === 'nowhere.bin') continue
      const file = named.find((one) =>
        [pathOf(one), nameOf(one).normalize('NFC')].includes(objectName.normalize('NFC')),
      )
      expect([objectName, textOf(physical, 'size')]).toEqual([objectName, String(file?.bytes.length)])
      expect(findAll(physical, 'size')[0]?.attributes).toEqual({ unit: 'byte' })
      expect(authentications(physical)).toMatchObject({ MD5: file?.digests.md5, SHA1: file?.digests.sha1 })
      await expectPulled(urlOf(physical), file!.bytes)
    }
  })

  test('deleted, its URLs are dead and nothing is stored but what is elsewhere as well', async () => {
    const beside = await rest.send('POST', '/files?filename=mine.bin', {}, LOGGER_BYTES)
    expect(beside.status).toBe(201)
    expect((await rest.send('DELETE', `/packages/${to.packageId}`)).status).toBe(204)
    for (const path of ['', '/files', '/manifest', '/manifest.json', '/eml']) {
      expectProblem(await rest.send('GET', `/packages/${to.packageId}${path}`), 410, 'GONE')
    }
    const { file_id: kept } = bodyOf<{ file_id: string }>(beside)
    for (const [i, { digests }] of files.entries()) {
      const pulled = await get(String(reports[i]?.retrieval_url), JAVA)
      expectProblem(pulled, 410, 'GONE')
      const status = digests.sha256 === kept ? 200 : 404
      expect((await rest.send('HEAD', `/files/${digests.sha256}`)).status).toBe(status)
    }
    await until(async () => (await ground.storedCount()) === 1)
    const last = await rest.send('GET', `/files/${kept}`)
    expect(last.body.equals(LOGGER_BYTES)).toBe(true)
    expect((await rest.send('DELETE', `/files/${kept}`)).status).toBe(204)
    await until(async () => (await ground.storedCount()) === 0)
    expect((await rest.json('POST', '/packages', { name: END })).status).toBe(201)
  })

  test('three readers from the first event on were told the same, each thing in its order', async () => {
    const [byCbor = [], byJson, byStream] = await tails
    expect(byJson).toEqual(byCbor)
    expect(byStream).toEqual(byCbor)
    const sequences = byCbor.map(({ sequence }) => sequence)
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))

    const ofPackage = byCbor.filter((event) => event.upload_id === null && event.package_id === to.packageId)
    expect(ofPackage.map(({ type }) => type)).toEqual([
      'package.created.v1',
      'package.finalized.v1',
      'package.deleted.v1',
    ])
    expect(ofPackage[1]?.data).toMatchObject({ manifest_sha256: finalized.manifest_sha256 })
    for (const file of files) {
      const told = byCbor.filter((event) => event.upload_id === uploadIds.get(file))
      const types = told.map(({ type }) => type).filter((type) => type !== 'upload.finalizing.v1')
      expect([file.path, types]).toEqual([
        file.path,
        ['upload.created.v1', 'upload.ready.v1', 'upload.deleted.v1'],
      ])
      const ready = told.find(({ type }) => type === 'upload.ready.v1')
      expect(ready).toMatchObject({
        package_id: to.packageId,
        data: { state: 'ready', size: file.bytes.length, sha256: file.digests.sha256 },
      })
      expect(ready?.sequence).toBeLessThan(Number(ofPackage[1]?.sequence))
    }
  })
}

function withCursor(path: string, cursor: string): string {
  return `${path.replace(/&cursor=.*/, '')}&cursor=${encodeURIComponent(cursor)}`
}

async function expectPulled(url: string, bytes: Buffer): Promise<void> {
  const { status, headers, body } = await get(url, JAVA)
  expect([status, headers['content-length']]).toEqual([200, String(bytes.length)])
  expect(body.equals(bytes)).toBe(true)
}

/** A document that a site has written, which names four of the files, with an entity more for each of the others. */
async function surveyDocument(files: readonly SurveyFile[]): Promise<string> {
  const document = await readFile(LAKE_XML, 'utf8')
  const rest = files.filter(({ path }) => ![...UNUSED, ...OF_THE_DOCUMENT].includes(path))
  return document.replace('  </dataset>', `${rest.map(({ path }) => entityOf(path)).join('')}  </dataset>`)
}

function entityOf(path: string): string {
  return `    <otherEntity>
      <entityName>${escapeXml(path)}</entityName>
      <physical>
        <objectName>${escapeXml(path)}</objectName>
        <dataFormat><externallyDefinedFormat><formatName>any</formatName></externallyDefinedFormat></dataFormat>
      </physical>
      <entityType>any</entityType>
    </otherEntity>
`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function textOf(node: XmlNode, name: string): string {
  return findAll(node, name)[0]?.text.trim() ?? ''
}

/** By their methods, however these are written. */
function authentications(physical: XmlNode): Record<string, string> {
  return Object.fromEntries(
    findAll(physical, 'authentication').map(({ attributes, text }) => [
      String(attributes.method).replace('-', '').toUpperCase(),
      text,
    ]),
  )
}

/** The one that PASTA pulls. */
function urlOf(physical: XmlNode): string {
  const urls = findAll(physical, 'distribution', 'online', 'url')
  return urls.find(({ attributes }) => attributes.function !== 'information')?.text ?? ''
}
