// A field season's files at a real server, in every state that the page shows: what the tests of all views and the pictures
// look at.

import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import http, { type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Antipasto } from '../../client/api/antipasto.js'
import { bytesSource } from '../../client/api/bytes-source.js'
import { send } from '../../client/api/send.js'
import { uploadIdOf } from '../../client/api/uploads.js'
import { withConnection } from '../support/database.js'
import type { TestServer } from '../support/server.js'

const KIB = 1024
const HOUR_SECONDS = 3_600
const DAY_SECONDS = 24 * HOUR_SECONDS

export const BUOY_LABEL = 'Lake Mendota buoy 2026'
export const LIDAR_LABEL = 'Sierra Nevada LiDAR, flight 7'
export const SNOW_LABEL = 'Niwot Ridge snow pits'
export const LITTER_LABEL = 'Hubbard Brook litterfall 2025'

/** 255 bytes, as many as file systems take, and nowhere to break it. */
export const LONG_NAME = `${'phytoplankton_biovolume_integrated_0-8m_'.repeat(6)}20260714.csv`.slice(-255)
export const ARABIC_NAME = 'بيانات درجة حرارة البحيرة ٢٠٢٦.csv'
export const HEBREW_NAME = 'נתוני מפלס הכינרת 2026.xlsx'

/** What the server asks before a file is ready: of some names it hears no, of some nothing at all. */
export interface ContentCheck {
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

export const REFUSAL = 'The file is a password-protected archive. Send it without the password.'
const REFUSED_NAME = 'zooplankton-photos.zip'
const HELD_NAME = 'snow-pit-density.csv'

export async function startContentCheck(): Promise<ContentCheck> {
  const held = new Set<ServerResponse>()
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      const name = decodeURIComponent(String(request.headers['antipasto-filename'] ?? ''))
      if (name === HELD_NAME) held.add(response)
      else if (name === REFUSED_NAME) response.writeHead(422, { 'Content-Type': 'text/plain' }).end(REFUSAL)
      else response.writeHead(204).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    env: { ON_READY_URL: `http://127.0.0.1:${port}/`, ON_READY_TIMEOUT: '1h' },
    async close() {
      for (const response of held) response.destroy()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Ids of uploads and packages, named by what is special in them. */
export interface FieldSeason {
  readonly ready: string
  readonly unfinished: string
  readonly untouched: string
  readonly finalizing: string
  readonly mismatched: string
  readonly refused: string
  readonly empty: string
  readonly html: string
  readonly longName: string
  readonly arabic: string
  readonly endsSoon: string
  readonly openPackage: string
  readonly finalizedPackage: string
  /** With an unfinished file. */
  readonly lidarPackage: string
  /** Of which every file is ready. */
  readonly finalizable: string
}

export interface FieldSeasonOptions {
  /** How large the files are: 1 is some 40 MB in all. */
  scale?: number
}

/** Sends it all, as scripts and people have done over some weeks. */
export async function stageFieldSeason(
  server: TestServer,
  { scale = 1 }: FieldSeasonOptions = {},
): Promise<FieldSeason> {
  const antipasto = new Antipasto({ url: server.url, token: server.key })
  const stage = new Stage(server, antipasto, scale)

  for (const year of ['2023', '2024', '2025'])
    await stage.put(`litterfall-${year}.csv`, 310, {
      label: LITTER_LABEL,
      relativePath: `litterfall/${year}/litterfall-${year}.csv`,
      ageDays: 12,
    })
  await stage.put('plots.geojson', 44, { label: LITTER_LABEL, relativePath: 'plots.geojson', ageDays: 12 })

  for (const tile of ['0412_3941', '0412_3942', '0413_3941', '0413_3942'])
    await stage.put(`11SKC_${tile}.laz`, 7_400, {
      label: LIDAR_LABEL,
      relativePath: `tiles/11SKC_${tile}.laz`,
      ageDays: 3,
    })
  const unfinished = await stage.begin('11SKC_0414_3941.laz', 48_000, 0.62, {
    label: LIDAR_LABEL,
    relativePath: 'tiles/11SKC_0414_3941.laz',
    ageDays: 3,
  })

  for (const month of ['02', '03', '04'])
    await stage.put(`snow-pit-2026-${month}.csv`, 74, { label: SNOW_LABEL, ageDays: 2 })

  const buoy = (name: string) => ({ label: BUOY_LABEL, relativePath: `buoy/2026/${name}`, ageDays: 0.2 })
  const ready = await stage.put('water-temperature-2026-06.csv', 2_180, buoy('water-temperature-2026-06.csv'))
  await stage.put('water-temperature-2026-07.csv', 2_240, buoy('water-temperature-2026-07.csv'))
  await stage.put('dissolved-oxygen-2026-06.csv', 1_470, buoy('dissolved-oxygen-2026-06.csv'))
  await stage.put('dissolved-oxygen-2026-07.csv', 1_510, buoy('dissolved-oxygen-2026-07.csv'))
  const mismatched = await stage.put('wind-2026-07.csv', 870, {
    ...buoy('wind-2026-07.csv'),
    sha256: createHash('sha256').update('what the file was before the disk failed').digest('hex'),
  })
  const untouched = await stage.begin('par-2026-07.csv', 960, 0, buoy('par-2026-07.csv'))

  const endsSoon = await stage.put('field-notes-scan.pdf', 640, { ageDays: 28.4 })
  const empty = await stage.put('rain-gauge-export.csv', 0, { ageDays: 1.1 })
  const html = await stage.putBytes('download.csv', HTML, { ageDays: 1 })
  const refused = await stage.put(REFUSED_NAME, 820, { ageDays: 0.9 })
  const longName = await stage.put(LONG_NAME, 190, { ageDays: 0.5 })
  const arabic = await stage.put(ARABIC_NAME, 120, { ageDays: 0.4 })
  await stage.put(HEBREW_NAME, 96, { ageDays: 0.3 })
  const finalizing = await stage.hold(HELD_NAME, 350, { ageDays: 0.01 })

  const packageOf = async (label: string): Promise<string> => {
    for await (const { id } of antipasto.packages.list({ label })) return id
    throw new Error(`There is no package of ${label}.`)
  }
  const finalizedPackage = await packageOf(LITTER_LABEL)
  await antipasto.packages.finalize(finalizedPackage)
  await stage.setAges()
  return {
    ...{
      ready,
      unfinished,
      untouched,
      finalizing,
      mismatched,
      refused,
      empty,
      html,
      longName,
      arabic,
      endsSoon,
    },
    finalizedPackage,
    openPackage: await packageOf(BUOY_LABEL),
    lidarPackage: await packageOf(LIDAR_LABEL),
    finalizable: await packageOf(SNOW_LABEL),
  }
}

const HTML = Buffer.from(
  '<!DOCTYPE html><html><head><title>503</title></head><body>Try again later.</body></html>',
)

interface Circumstances {
  label?: string
  relativePath?: string
  /** Declared. */
  sha256?: string
  ageDays: number
}

class Stage {
  readonly #server: TestServer
  readonly #antipasto: Antipasto
  readonly #scale: number
  readonly #ageDays = new Map<string, number>()

  constructor(server: TestServer, antipasto: Antipasto, scale: number) {
    this.#server = server
    this.#antipasto = antipasto
    this.#scale = scale
  }

  put(filename: string, kib: number, circumstances: Circumstances): Promise<string> {
    return this.putBytes(filename, this.#bytes(filename, kib), circumstances)
  }

  /** All of it; answers the id, whatever came of it. */
  async putBytes(filename: string, bytes: Buffer, circumstances: Circumstances): Promise<string> {
    let id = ''
    await send(this.#antipasto.connection, bytesSource(bytes), {
      metadata: metadataOf(filename, circumstances),
      withCreation: false,
      onCreated: (url) => {
        id = this.#note(uploadIdOf(url), circumstances)
      },
    }).catch((error: unknown) => {
      // What is wrong with some files is only known when the server has them.
      if (id === '') throw error
    })
    return id
  }

  /** A part of it. */
  async begin(filename: string, kib: number, part: number, circumstances: Circumstances): Promise<string> {
    const bytes = this.#bytes(filename, kib)
    const response = await this.#tus('POST', '/uploads', {
      'Upload-Length': String(bytes.byteLength),
      'Upload-Metadata': Object.entries(metadataOf(filename, circumstances))
        .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
        .join(','),
    })
    const id = uploadIdOf(response.headers.get('Location') ?? '')
    if (part > 0) await this.#patch(id, bytes.subarray(0, Math.floor(bytes.byteLength * part)))
    return this.#note(id, circumstances)
  }

  /** All of it, which the server goes on checking. */
  async hold(filename: string, kib: number, circumstances: Circumstances): Promise<string> {
    const id = await this.begin(filename, kib, 0, circumstances)
    // Answered when the check is over.
    void this.#patch(id, this.#bytes(filename, kib)).catch(() => {})
    while ((await this.#antipasto.uploads.report(id)).state === 'receiving') await sleep(20)
    return id
  }

  /** As if it had been sent when it is said. */
  async setAges(): Promise<void> {
    const { databaseUrl } = this.#server
    if (databaseUrl === undefined) throw new Error('The server has a database of its own.')
    await withConnection(databaseUrl, async (client) => {
      for (const [id, days] of this.#ageDays)
        await client.query(
          `UPDATE uploads SET created_at = created_at - $2 * interval '1 second',
             finished_at = finished_at - $2 * interval '1 second', expires_at = expires_at - $2 * interval '1 second'
           WHERE id = $1`,
          [id, Math.round(days * DAY_SECONDS)],
        )
      await client.query(
        `UPDATE packages SET created_at =
           (SELECT min(uploads.created_at) FROM uploads WHERE uploads.package_id = packages.id)`,
      )
    })
  }

  #note(id: string, { ageDays }: Circumstances): string {
    this.#ageDays.set(id, ageDays)
    return id
  }

  /** Always the same ones under the same name. */
  #bytes(name: string, kib: number): Buffer {
    const key = createHash('sha256').update(name).digest()
    const bytes = Buffer.alloc(Math.ceil(kib * KIB * this.#scale))
    return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(bytes)
  }

  #patch(id: string, bytes: Buffer): Promise<Response> {
    const headers = { 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' }
    return this.#tus('PATCH', `/uploads/${id}`, headers, new Uint8Array(bytes))
  }

  async #tus(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const response = await fetch(`${this.#server.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.#server.key}`, 'Tus-Resumable': '1.0.0', ...headers },
      ...(body === undefined ? {} : { body }),
    })
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}`)
    return response
  }
}

function metadataOf(
  filename: string,
  { label, relativePath, sha256 }: Circumstances,
): Record<string, string> {
  return {
    filename,
    ...(label === undefined ? {} : { label }),
    ...(relativePath === undefined ? {} : { relativePath }),
    ...(sha256 === undefined ? {} : { sha256 }),
  }
}
