// What the server takes and answers, by the names of its schemas.

import type { components, operations } from './generated/openapi.js'

type Schemas = components['schemas']

/** The report of one upload: state, size, offset, checksums, URL, when it ends, what went wrong. */
export type Report = Schemas['Report']
export type UploadState = Report['state']
/** The report of a session, with the URL that its bytes go to. */
export type Session = Schemas['Session']
export type NewSession = Schemas['NewSession']
export type Completion = Schemas['Completion']
export type UploadChanges = Schemas['UploadChanges']
/** The digests of the bytes that have arrived so far. */
export type Received = Schemas['Received']
export type RetrievalUrl = Answer<'renewRetrievalUrl', 200>
export type Package = Schemas['Package']
export type PackageSummary = Schemas['PackageSummary']
export type NewPackage = Schemas['NewPackage']
export type NewRetentionExtension = Schemas['NewRetentionExtension']
export type RetentionExtension = Schemas['RetentionExtension']
export type Manifest = Schemas['Manifest']
/** The document that was filled in, and what of it and of the package found each other. */
export type EmlPatch = Answer<'patchEml', 200>
/** Content by its name, its SHA-256. */
export type StoredFile = Schemas['File']
export type Event = Schemas['Event']
export type EventPage = Schemas['EventPage']
/** Who asks, what they may, use and have left. */
export type Me = Schemas['Me']
export type ApiKey = Schemas['ApiKey']
/** What a key should be like. */
export type ApiKeyWish = operations['createApiKey']['requestBody']['content']['application/json']
/** One with the key itself. */
export type NewApiKey = Schemas['NewApiKey']
/** Where events are sent by themselves. */
export type Webhook = Schemas['Webhook']
/** What a webhook should be like. */
export type WebhookWish = Optional<Schemas['NewWebhook'], 'events'>
/** One with the secret that signs what it is sent. */
export type NewWebhook = Schemas['WebhookWithSecret']
/** One event on its way to a webhook, or a ping: what was tried, and what came of it. */
export type WebhookDelivery = Schemas['Delivery']
export type SignIn = Schemas['SignIn']
export type ErrorCode = Schemas['Problem']['code']

/** What has a default at the server needn't be said. */
type Optional<Body, Name extends keyof Body> = Omit<Body, Name> & Partial<Pick<Body, Name>>

/** The JSON of a route's answer with this status. */
type Answer<Id extends keyof operations, Status extends number> = operations[Id] extends {
  responses: Record<Status, { content: { 'application/json': infer Json } }>
}
  ? Json
  : never

/** What a list may be asked for, without its paging: that is the iterator's business. */
type Filters<Id extends keyof operations> = operations[Id] extends { parameters: { query?: infer Query } }
  ? Omit<NonNullable<Query>, 'cursor' | 'limit'>
  : never
export type UploadFilters = Filters<'listUploads'>
export type PackageFilters = Omit<Filters<'listPackages'>, 'metadata.*'> & {
  /** Up to ten keys: only packages whose metadata has that text, number or truth there. */
  metadata?: Record<string, string>
}
