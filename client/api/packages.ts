// Packages: uploads under one label, frozen with a manifest, kept and ended together.

import type { Connection } from './connection.js'
import { askBytes, askJson, askNothing, askText, jsonBody, query } from './json.js'
import { everyItem, MOST_PER_PAGE, type Page, type PageOptions } from './pages.js'
import { at } from './routes.js'
import type {
  EmlPatch,
  NewPackage,
  NewRetentionExtension,
  Package,
  PackageFilters,
  PackageSummary,
  Report,
  RetentionExtension,
} from './types.js'

/** Which package an EML document is filled of: by its id, or one's newest of a label. */
export type EmlSource = { packageId: string; label?: never } | { label: string; packageId?: never }

export class Packages {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * Not repeated by itself: a second one would be another package.
   *
   * @throws Conflict when there is an open package of this label
   */
  create(newPackage: NewPackage, signal?: AbortSignal): Promise<Package> {
    return askJson(this.#connection, at('/packages'), { method: 'POST', ...jsonBody(newPackage), signal })
  }

  /** @throws NotFound, Gone */
  get(id: string, signal?: AbortSignal): Promise<Package> {
    return askJson(this.#connection, at('/packages/{id}', { id }), { signal })
  }

  /** Newest first. */
  list(filters: PackageFilters = {}, signal?: AbortSignal): AsyncGenerator<PackageSummary, void, undefined> {
    return everyItem((cursor) => this.page(filters, { cursor, limit: MOST_PER_PAGE, signal }))
  }

  /** One page of that list. */
  page(
    { metadata = {}, ...filters }: PackageFilters = {},
    { cursor, limit, ...ask }: PageOptions = {},
  ): Promise<Page<PackageSummary>> {
    const ofMetadata = Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]),
    )
    const target = at('/packages') + query({ ...filters, ...ofMetadata, limit, cursor })
    return askJson(this.#connection, target, ask)
  }

  /** The reports of its files, in the order of their paths. Failed ones stand at no path: `uploads.list` has them. */
  files(id: string, signal?: AbortSignal): AsyncGenerator<Report, void, undefined> {
    return everyItem((cursor) => this.filesPage(id, { cursor, limit: MOST_PER_PAGE, signal }))
  }

  /** One page of that list. */
  filesPage(id: string, { cursor, limit, ...ask }: PageOptions = {}): Promise<Page<Report>> {
    const target = at('/packages/{id}/files', { id }) + query({ limit, cursor })
    return askJson(this.#connection, target, ask)
  }

  /**
   * Freezes it and makes its manifest; a second time it answers the same.
   *
   * @throws Conflict naming the files that aren't ready
   */
  finalize(id: string, signal?: AbortSignal): Promise<Package> {
    return askJson(this.#connection, at('/packages/{id}/finalize', { id }), {
      method: 'POST',
      isRepeatable: true,
      signal,
    })
  }

  /**
   * The manifest, byte for byte: the SHA-256 of the CBOR is the package's `manifest_sha256`. JSON parses to a `Manifest`.
   *
   * @throws Conflict when the package isn't finalized
   */
  manifest(
    id: string,
    format: 'json' | 'cbor' = 'json',
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const path =
      format === 'json' ? at('/packages/{id}/manifest.json', { id }) : at('/packages/{id}/manifest', { id })
    return askBytes(this.#connection, path, {
      headers: { accept: `application/${format}` },
      expects: format,
      signal,
    })
  }

  /** Its ready files as EML entities, in one document. */
  eml(id: string, signal?: AbortSignal): Promise<string> {
    return askText(this.#connection, at('/packages/{id}/eml', { id }), { expects: 'xml', signal })
  }

  /**
   * Deletes it with all its files: every URL of them is dead. True when it was there.
   *
   * A repeated request may find gone what the first one deleted, so that isn't an error.
   */
  remove(id: string, signal?: AbortSignal): Promise<boolean> {
    return askNothing(this.#connection, at('/packages/{id}', { id }), { method: 'DELETE', signal })
  }

  /** Keeps it longer, with its files. Not repeated by itself: it would be told of twice. */
  extend(id: string, extension: NewRetentionExtension, signal?: AbortSignal): Promise<RetentionExtension> {
    return askJson(this.#connection, at('/packages/{id}/retention/extensions', { id }), {
      method: 'POST',
      ...jsonBody(extension),
      signal,
    })
  }

  /**
   * An EML document with the sizes, checksums and URLs of the package's files filled in; the rest as it was, byte for byte.
   *
   * @param xml UTF-8, at most 8 MiB
   */
  patchEml(
    { packageId, label }: EmlSource,
    xml: string | Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<EmlPatch> {
    return askJson(this.#connection, at('/eml') + query({ package_id: packageId, label }), {
      method: 'POST',
      // It changes nothing at the server.
      isRepeatable: true,
      headers: { accept: 'application/json', 'content-type': 'application/xml' },
      body: xml,
      signal,
    })
  }
}
