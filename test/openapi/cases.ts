// A case of success and one of refusal for every operation: what is asked, and what the answer must be.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Answer } from './described.js'
import type { Ask } from './exchange.js'

const JSON_TYPE = { 'Content-Type': 'application/json' }
const TUS = { 'Tus-Resumable': '1.0.0' }
const OFFSET_STREAM = { ...TUS, 'Content-Type': 'application/offset+octet-stream' }
/** What the server of these cases is to be started with. */
export const METRICS_TOKEN = 'metrics-of-the-cases'
/** An id that nothing has. */
export const NOBODY = 'f'.repeat(40)

const EML = `<?xml version="1.0" encoding="UTF-8"?>
<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="a.1.1" system="s"><dataset><title>t</title>
<otherEntity><entityName>a</entityName><physical><objectName>a.csv</objectName></physical></otherEntity></dataset></eml:eml>`

/** What stands before the cases: each of them uses up what is named for it. */
export interface Ground {
  ready: string
  other: string
  session: string
  tus: string
  whole: string
  canceled: string
  /** Deleted, and can be restored. */
  undone: string
  token: string
  sha256: string
  open: string
  finalized: string
  manifest: string
  manifestJson: string
  webhook: string
  apiKey: string
  etag: string
}

export interface Case {
  id: string
  status: number
  /** What the case is about, where the status doesn't tell. */
  about?: string
  ask: (ground: Ground) => Partial<Ask> & { target: string }
  /** Names of headers that the answer has, and the document knows. */
  headers?: string[]
}

const json = (body: unknown) => ({ headers: JSON_TYPE, body: JSON.stringify(body) })

export const CASES: Case[] = [
  // ---- Uploads
  {
    id: 'createUpload',
    status: 201,
    about: 'a session',
    ask: () => ({ target: '/uploads', ...json({ filename: 'a.csv', size: 3 }) }),
    headers: ['location'],
  },
  {
    id: 'createUpload',
    status: 201,
    about: 'tus',
    ask: () => ({ target: '/uploads', headers: { ...OFFSET_STREAM, 'Upload-Length': '5' }, body: 'abc' }),
    headers: ['location', 'upload-offset', 'upload-expires', 'tus-resumable'],
  },
  {
    id: 'createUpload',
    status: 200,
    about: 'a session that was opened before',
    ask: () => ({
      target: '/uploads',
      headers: { ...JSON_TYPE, 'Idempotency-Key': 'once' },
      body: JSON.stringify({ filename: 'once.csv' }),
    }),
    headers: ['location'],
  },
  {
    id: 'createUpload',
    status: 409,
    about: 'the same key with another body',
    ask: () => ({
      target: '/uploads',
      headers: { ...JSON_TYPE, 'Idempotency-Key': 'once' },
      body: JSON.stringify({ filename: 'twice.csv' }),
    }),
  },
  { id: 'createUpload', status: 400, ask: () => ({ target: '/uploads', ...json({ filename: 3 }) }) },
  {
    id: 'createUpload',
    status: 404,
    about: 'a package that is not there',
    ask: () => ({ target: '/uploads', ...json({ filename: 'a', package_id: NOBODY }) }),
  },
  {
    id: 'createUpload',
    status: 412,
    ask: () => ({ target: '/uploads', headers: { 'Upload-Length': '3' } }),
    headers: ['tus-version'],
  },
  {
    id: 'createUpload',
    status: 413,
    ask: () => ({ target: '/uploads', headers: { ...TUS, 'Upload-Length': '9007199254740991' } }),
  },
  {
    id: 'createUpload',
    status: 415,
    ask: () => ({ target: '/uploads', headers: { 'Content-Type': 'text/plain' }, body: 'x' }),
  },
  {
    id: 'createUpload',
    status: 460,
    ask: () => ({
      target: '/uploads',
      headers: {
        ...OFFSET_STREAM,
        'Upload-Length': '3',
        'Upload-Checksum': 'sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
      },
      body: 'abc',
    }),
  },
  {
    id: 'listUploads',
    status: 200,
    ask: () => ({ target: '/uploads?limit=1&state=ready,failed&sort=created_at' }),
    headers: ['link'],
  },
  {
    id: 'listUploads',
    status: 200,
    about: 'by name, in no package',
    ask: () => ({ target: '/uploads?limit=1&sort=-filename&package_id=none' }),
    headers: ['link'],
  },
  { id: 'listUploads', status: 400, ask: () => ({ target: '/uploads?limit=501' }) },
  {
    id: 'getTusCapabilities',
    status: 204,
    ask: () => ({ target: '/uploads' }),
    headers: ['tus-version', 'tus-extension', 'tus-max-size', 'tus-checksum-algorithm'],
  },
  {
    id: 'getTusCapabilitiesOfUpload',
    status: 204,
    ask: ({ ready }) => ({ target: `/uploads/${ready}` }),
    headers: ['tus-version'],
  },
  { id: 'getUpload', status: 200, ask: ({ ready }) => ({ target: `/uploads/${ready}` }) },
  {
    id: 'getUpload',
    status: 200,
    about: 'one that was canceled',
    ask: ({ canceled }) => ({ target: `/uploads/${canceled}` }),
  },
  { id: 'getUpload', status: 404, ask: () => ({ target: `/uploads/${NOBODY}` }) },
  {
    id: 'getUploadOffset',
    status: 200,
    ask: ({ tus }) => ({ target: `/uploads/${tus}`, headers: TUS }),
    headers: ['upload-offset', 'upload-length', 'upload-metadata', 'upload-expires', 'tus-resumable'],
  },
  { id: 'getUploadOffset', status: 404, ask: () => ({ target: `/uploads/${NOBODY}`, headers: TUS }) },
  {
    id: 'getUploadOffset',
    status: 410,
    ask: ({ canceled }) => ({ target: `/uploads/${canceled}`, headers: TUS }),
  },
  { id: 'getUploadOffset', status: 412, ask: ({ tus }) => ({ target: `/uploads/${tus}` }) },
  {
    id: 'appendOrChange',
    status: 204,
    about: 'bytes by tus',
    ask: ({ tus }) => ({
      target: `/uploads/${tus}`,
      headers: { ...OFFSET_STREAM, 'Upload-Offset': '0' },
      body: 'ab',
    }),
    headers: ['upload-offset', 'upload-expires', 'tus-resumable'],
  },
  {
    id: 'appendOrChange',
    status: 200,
    about: 'bytes by Content-Range',
    ask: ({ session }) => ({
      target: `/uploads/${session}`,
      headers: { 'Content-Range': 'bytes 0-1/3' },
      body: 'ab',
    }),
    headers: ['upload-offset'],
  },
  {
    id: 'appendOrChange',
    status: 200,
    about: 'details',
    ask: ({ ready }) => ({
      target: `/uploads/${ready}`,
      headers: { 'Content-Type': 'application/merge-patch+json' },
      body: '{"note":"n","key":null}',
    }),
  },
  {
    id: 'appendOrChange',
    status: 409,
    ask: ({ tus }) => ({
      target: `/uploads/${tus}`,
      headers: { ...OFFSET_STREAM, 'Upload-Offset': '9' },
      body: 'ab',
    }),
    headers: ['upload-offset'],
  },
  {
    id: 'appendOrChange',
    status: 404,
    ask: () => ({
      target: `/uploads/${NOBODY}`,
      headers: { ...OFFSET_STREAM, 'Upload-Offset': '0' },
      body: 'ab',
    }),
  },
  {
    id: 'appendOrChange',
    status: 410,
    ask: ({ canceled }) => ({
      target: `/uploads/${canceled}`,
      headers: { ...OFFSET_STREAM, 'Upload-Offset': '0' },
      body: 'ab',
    }),
  },
  {
    id: 'appendOrChange',
    status: 413,
    ask: ({ tus }) => ({
      target: `/uploads/${tus}`,
      headers: { ...OFFSET_STREAM, 'Upload-Offset': '2' },
      body: 'abcdefgh',
    }),
  },
  {
    id: 'appendOrChange',
    status: 415,
    ask: ({ tus }) => ({ target: `/uploads/${tus}`, ...json({ note: 'n' }) }),
  },
  {
    id: 'completeUpload',
    status: 409,
    ask: ({ session }) => ({ target: `/uploads/${session}/complete` }),
    headers: ['upload-offset'],
  },
  {
    id: 'completeUpload',
    status: 200,
    ask: ({ whole }) => ({ target: `/uploads/${whole}/complete`, ...json({ relative_path: 'data/w.csv' }) }),
  },
  {
    id: 'completeUpload',
    status: 200,
    about: 'again, without a body',
    ask: ({ whole }) => ({ target: `/uploads/${whole}/complete` }),
  },
  {
    id: 'completeUpload',
    status: 400,
    ask: ({ whole }) => ({ target: `/uploads/${whole}/complete`, ...json({ relative_path: '../x' }) }),
  },
  { id: 'completeUpload', status: 404, ask: () => ({ target: `/uploads/${NOBODY}/complete` }) },
  { id: 'completeUpload', status: 410, ask: ({ canceled }) => ({ target: `/uploads/${canceled}/complete` }) },
  { id: 'getReceived', status: 200, ask: ({ session }) => ({ target: `/uploads/${session}/received` }) },
  {
    id: 'getReceived',
    status: 200,
    about: 'of one that is ready',
    ask: ({ ready }) => ({ target: `/uploads/${ready}/received` }),
  },
  { id: 'getReceived', status: 404, ask: () => ({ target: `/uploads/${NOBODY}/received` }) },
  { id: 'getReceived', status: 410, ask: ({ canceled }) => ({ target: `/uploads/${canceled}/received` }) },
  { id: 'restoreUpload', status: 200, ask: ({ undone }) => ({ target: `/uploads/${undone}/restore` }) },
  {
    id: 'restoreUpload',
    status: 200,
    about: 'one that has not ended',
    ask: ({ ready }) => ({ target: `/uploads/${ready}/restore` }),
  },
  { id: 'restoreUpload', status: 404, ask: () => ({ target: `/uploads/${NOBODY}/restore` }) },
  {
    id: 'restoreUpload',
    status: 409,
    about: 'one that ended for good',
    ask: ({ canceled }) => ({ target: `/uploads/${canceled}/restore` }),
  },
  { id: 'getUploadEml', status: 200, ask: ({ ready }) => ({ target: `/uploads/${ready}/eml` }) },
  { id: 'getUploadEml', status: 409, ask: ({ session }) => ({ target: `/uploads/${session}/eml` }) },
  { id: 'getUploadEml', status: 410, ask: ({ canceled }) => ({ target: `/uploads/${canceled}/eml` }) },

  // ---- Files
  {
    id: 'createFile',
    status: 201,
    about: 'a raw body',
    ask: () => ({
      target: '/files?filename=raw.csv&size=3',
      headers: { 'Content-Type': 'text/csv' },
      body: 'raw',
    }),
    headers: ['location'],
  },
  {
    id: 'createFile',
    status: 201,
    about: 'a form',
    ask: () => ({
      target: '/files',
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
      body: '--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\nform\r\n--b--\r\n',
    }),
    headers: ['location'],
  },
  {
    id: 'createFile',
    status: 202,
    ask: () => ({
      target: '/files?filename=p.csv',
      headers: { 'Content-Type': 'text/csv', Prefer: 'respond-async' },
      body: 'async',
    }),
    headers: ['location', 'preference-applied'],
  },
  {
    id: 'createFile',
    status: 400,
    ask: () => ({ target: '/files?size=4', headers: { 'Content-Type': 'text/csv' }, body: 'abc' }),
  },
  {
    id: 'createFile',
    status: 422,
    ask: () => ({
      target: `/files?sha256=${'0'.repeat(64)}`,
      headers: { 'Content-Type': 'text/csv' },
      body: 'abc',
    }),
  },
  {
    id: 'getFile',
    status: 200,
    about: 'the bytes',
    ask: ({ sha256 }) => ({ target: `/files/${sha256}` }),
    headers: ['etag', 'content-disposition', 'last-modified', 'accept-ranges', 'repr-digest'],
  },
  {
    id: 'getFile',
    status: 200,
    about: 'what is known of it',
    ask: ({ sha256 }) => ({ target: `/files/${sha256}`, headers: { Accept: 'application/json' } }),
  },
  {
    id: 'getFile',
    status: 206,
    ask: ({ sha256 }) => ({ target: `/files/${sha256}`, headers: { Range: 'bytes=0-1' } }),
    headers: ['content-range'],
  },
  {
    id: 'getFile',
    status: 304,
    ask: ({ sha256 }) => ({ target: `/files/${sha256}`, headers: { 'If-None-Match': `"${sha256}"` } }),
    headers: ['etag'],
  },
  {
    id: 'getFile',
    status: 416,
    ask: ({ sha256 }) => ({ target: `/files/${sha256}`, headers: { Range: 'bytes=99-' } }),
    headers: ['content-range'],
  },
  { id: 'getFile', status: 404, ask: () => ({ target: `/files/${'0'.repeat(64)}` }) },
  { id: 'headFile', status: 200, ask: ({ sha256 }) => ({ target: `/files/${sha256}` }), headers: ['etag'] },
  { id: 'headFile', status: 404, ask: () => ({ target: '/files/x' }) },
  { id: 'getFileInfo', status: 200, ask: ({ sha256 }) => ({ target: `/files/${sha256}/info` }) },
  { id: 'getFileInfo', status: 404, ask: () => ({ target: '/files/x/info' }) },
  {
    id: 'downloadFile',
    status: 200,
    ask: ({ sha256 }) => ({ target: `/files/${sha256}/download`, headers: { Accept: 'application/json' } }),
    headers: ['etag', 'repr-digest'],
  },
  { id: 'downloadFile', status: 404, ask: () => ({ target: '/files/x/download' }) },

  // ---- Retrieval
  {
    id: 'retrieve',
    status: 200,
    ask: ({ token }) => ({ target: `/r/${token}/a.csv` }),
    headers: ['etag', 'content-disposition', 'repr-digest'],
  },
  {
    id: 'retrieve',
    status: 206,
    ask: ({ token }) => ({ target: `/r/${token}/a.csv`, headers: { Range: 'bytes=-1' } }),
    headers: ['content-range'],
  },
  {
    id: 'retrieve',
    status: 416,
    ask: ({ token }) => ({ target: `/r/${token}/a.csv`, headers: { Range: 'bytes=0-0,2-2' } }),
  },
  { id: 'retrieve', status: 404, ask: () => ({ target: '/r/nonsense/a.csv' }) },
  {
    id: 'headRetrieval',
    status: 200,
    ask: ({ token }) => ({ target: `/r/${token}/a.csv` }),
    headers: ['etag'],
  },
  { id: 'headRetrieval', status: 404, ask: () => ({ target: '/r/nonsense/a.csv' }) },

  // ---- Packages
  {
    id: 'createPackage',
    status: 201,
    ask: () => ({
      target: '/packages',
      ...json({ name: 'p', label: 'l', metadata: { a: [1, { b: null }] } }),
    }),
    headers: ['location'],
  },
  {
    id: 'createPackage',
    status: 409,
    about: 'a label that has an open one',
    ask: () => ({ target: '/packages', ...json({ name: 'p', label: 'l' }) }),
  },
  { id: 'createPackage', status: 400, ask: () => ({ target: '/packages', ...json({ name: '' }) }) },
  { id: 'listPackages', status: 200, ask: () => ({ target: '/packages?limit=1&metadata.site=x&q=p' }) },
  {
    id: 'listPackages',
    status: 200,
    about: 'with a next page',
    ask: () => ({ target: '/packages?limit=1' }),
    headers: ['link'],
  },
  { id: 'listPackages', status: 400, ask: () => ({ target: '/packages?cursor=x' }) },
  { id: 'getPackage', status: 200, ask: ({ open }) => ({ target: `/packages/${open}` }) },
  { id: 'getPackage', status: 404, ask: () => ({ target: `/packages/${NOBODY}` }) },
  {
    id: 'listPackageFiles',
    status: 200,
    ask: ({ finalized }) => ({ target: `/packages/${finalized}/files` }),
  },
  { id: 'listPackageFiles', status: 404, ask: () => ({ target: `/packages/${NOBODY}/files` }) },
  {
    id: 'createFileInPackage',
    status: 201,
    ask: ({ open }) => ({
      target: `/packages/${open}/files?relative_path=data/b.csv`,
      headers: { 'Content-Type': 'text/csv' },
      body: 'b',
    }),
    headers: ['location'],
  },
  {
    id: 'createFileInPackage',
    status: 409,
    about: 'a finalized one',
    ask: ({ finalized }) => ({
      target: `/packages/${finalized}/files?filename=b`,
      headers: { 'Content-Type': 'text/csv' },
      body: 'b',
    }),
  },
  {
    id: 'getPackageManifest',
    status: 200,
    about: 'CBOR',
    ask: ({ finalized }) => ({ target: `/packages/${finalized}/manifest` }),
    headers: ['etag', 'repr-digest', 'vary'],
  },
  {
    id: 'getPackageManifest',
    status: 200,
    about: 'JSON',
    ask: ({ finalized }) => ({
      target: `/packages/${finalized}/manifest`,
      headers: { Accept: 'application/json' },
    }),
  },
  {
    id: 'getPackageManifest',
    status: 304,
    ask: ({ finalized, manifest }) => ({
      target: `/packages/${finalized}/manifest`,
      headers: { 'If-None-Match': manifest },
    }),
    headers: ['etag'],
  },
  {
    id: 'getPackageManifest',
    status: 406,
    ask: ({ finalized }) => ({ target: `/packages/${finalized}/manifest`, headers: { Accept: 'text/html' } }),
  },
  { id: 'getPackageManifest', status: 409, ask: ({ open }) => ({ target: `/packages/${open}/manifest` }) },
  {
    id: 'headPackageManifest',
    status: 200,
    ask: ({ finalized }) => ({ target: `/packages/${finalized}/manifest` }),
    headers: ['etag', 'content-length'],
  },
  { id: 'headPackageManifest', status: 404, ask: () => ({ target: `/packages/${NOBODY}/manifest` }) },
  {
    id: 'getPackageManifestJson',
    status: 200,
    ask: ({ finalized }) => ({ target: `/packages/${finalized}/manifest.json` }),
    headers: ['etag'],
  },
  {
    id: 'getPackageManifestJson',
    status: 304,
    ask: ({ finalized, manifestJson }) => ({
      target: `/packages/${finalized}/manifest.json`,
      headers: { 'If-None-Match': manifestJson },
    }),
    headers: ['etag'],
  },
  {
    id: 'getPackageManifestJson',
    status: 409,
    ask: ({ open }) => ({ target: `/packages/${open}/manifest.json` }),
  },
  {
    id: 'headPackageManifestJson',
    status: 200,
    ask: ({ finalized }) => ({ target: `/packages/${finalized}/manifest.json` }),
    headers: ['etag'],
  },
  {
    id: 'headPackageManifestJson',
    status: 409,
    ask: ({ open }) => ({ target: `/packages/${open}/manifest.json` }),
  },
  { id: 'getPackageEml', status: 200, ask: ({ open }) => ({ target: `/packages/${open}/eml` }) },
  { id: 'getPackageEml', status: 404, ask: () => ({ target: `/packages/${NOBODY}/eml` }) },
  {
    id: 'extendPackage',
    status: 201,
    ask: ({ finalized }) => ({
      target: `/packages/${finalized}/retention/extensions`,
      ...json({ new_expires_at: inDays(100), reason: 'r' }),
    }),
  },
  {
    id: 'extendPackage',
    status: 400,
    about: 'an earlier end',
    ask: ({ finalized }) => ({
      target: `/packages/${finalized}/retention/extensions`,
      ...json({ new_expires_at: inDays(1), reason: 'r' }),
    }),
  },
  {
    id: 'getPackage',
    status: 200,
    about: 'with an extension',
    ask: ({ finalized }) => ({ target: `/packages/${finalized}` }),
  },
  {
    id: 'patchEml',
    status: 200,
    about: 'the document',
    ask: ({ open }) => ({
      target: `/eml?package_id=${open}`,
      headers: { 'Content-Type': 'application/xml' },
      body: EML,
    }),
    headers: ['x-eml-matched', 'x-eml-missing', 'x-eml-unused'],
  },
  {
    id: 'patchEml',
    status: 200,
    about: 'what matched',
    ask: ({ open }) => ({
      target: `/eml?package_id=${open}`,
      headers: { 'Content-Type': 'text/xml', Accept: 'application/json' },
      body: EML,
    }),
  },
  {
    id: 'patchEml',
    status: 400,
    about: 'no package',
    ask: () => ({ target: '/eml', headers: { 'Content-Type': 'text/xml' }, body: EML }),
  },
  { id: 'patchEml', status: 415, ask: ({ open }) => ({ target: `/eml?package_id=${open}`, ...json({}) }) },
  { id: 'listPackageShares', status: 200, ask: ({ open }) => ({ target: `/packages/${open}/shares` }) },
  { id: 'listPackageShares', status: 404, ask: () => ({ target: `/packages/${NOBODY}/shares` }) },
  {
    id: 'sharePackage',
    status: 200,
    ask: ({ open }) => ({ target: `/packages/${open}/shares/lter-ntl`, ...json({ access: 'write' }) }),
  },
  {
    id: 'sharePackage',
    status: 400,
    about: 'a grantee that nobody is called',
    ask: ({ open }) => ({ target: `/packages/${open}/shares/a%20b`, ...json({ access: 'read' }) }),
  },
  {
    id: 'sharePackage',
    status: 415,
    ask: ({ open }) => ({ target: `/packages/${open}/shares/lter-ntl` }),
  },
  {
    id: 'unsharePackage',
    status: 204,
    ask: ({ open }) => ({ target: `/packages/${open}/shares/lter-ntl` }),
  },
  {
    id: 'unsharePackage',
    status: 404,
    ask: ({ open }) => ({ target: `/packages/${open}/shares/lter-ntl` }),
  },
  { id: 'finalizePackage', status: 200, ask: ({ open }) => ({ target: `/packages/${open}/finalize` }) },
  { id: 'finalizePackage', status: 404, ask: () => ({ target: `/packages/${NOBODY}/finalize` }) },
  { id: 'deletePackage', status: 204, ask: ({ open }) => ({ target: `/packages/${open}` }) },
  { id: 'deletePackage', status: 410, ask: ({ open }) => ({ target: `/packages/${open}` }) },

  // ---- Events
  { id: 'readEvents', status: 200, about: 'CBOR', ask: () => ({ target: '/events?since=0&limit=1000' }) },
  {
    id: 'readEvents',
    status: 200,
    about: 'JSON',
    ask: () => ({ target: '/events', headers: { Accept: 'application/json' } }),
  },
  {
    id: 'readEvents',
    status: 200,
    about: 'a stream',
    ask: () => ({ target: '/events', headers: { Accept: 'text/event-stream' } }),
  },
  {
    id: 'readEvents',
    status: 200,
    about: 'from now on',
    ask: () => ({ target: '/events?since=latest', headers: { Accept: 'application/json' } }),
  },
  { id: 'readEvents', status: 400, ask: () => ({ target: '/events?since=-1' }) },
  { id: 'readEvents', status: 406, ask: () => ({ target: '/events', headers: { Accept: 'text/html' } }) },

  // ---- Webhooks
  {
    id: 'createWebhook',
    status: 201,
    ask: () => ({
      target: '/webhooks',
      ...json({ url: 'http://127.0.0.1:9/', events: ['upload.ready.v1'] }),
    }),
    headers: ['location'],
  },
  {
    id: 'createWebhook',
    status: 400,
    ask: () => ({ target: '/webhooks', ...json({ url: 'ftp://127.0.0.1/' }) }),
  },
  { id: 'listWebhooks', status: 200, ask: () => ({ target: '/webhooks?limit=1' }), headers: ['link'] },
  { id: 'listWebhooks', status: 400, ask: () => ({ target: '/webhooks?limit=0' }) },
  { id: 'getWebhook', status: 200, ask: ({ webhook }) => ({ target: `/webhooks/${webhook}` }) },
  { id: 'getWebhook', status: 404, ask: () => ({ target: `/webhooks/${NOBODY}` }) },
  { id: 'pingWebhook', status: 200, ask: ({ webhook }) => ({ target: `/webhooks/${webhook}/ping` }) },
  { id: 'pingWebhook', status: 404, ask: () => ({ target: `/webhooks/${NOBODY}/ping` }) },
  {
    id: 'listWebhookDeliveries',
    status: 200,
    ask: ({ webhook }) => ({ target: `/webhooks/${webhook}/deliveries` }),
  },
  { id: 'listWebhookDeliveries', status: 404, ask: () => ({ target: `/webhooks/${NOBODY}/deliveries` }) },
  { id: 'deleteWebhook', status: 204, ask: ({ webhook }) => ({ target: `/webhooks/${webhook}` }) },
  { id: 'deleteWebhook', status: 404, ask: ({ webhook }) => ({ target: `/webhooks/${webhook}` }) },

  // ---- API keys
  {
    id: 'createApiKey',
    status: 201,
    ask: () => ({ target: '/api-keys', ...json({ name: 'k', scopes: ['read'] }) }),
    headers: ['location'],
  },
  { id: 'createApiKey', status: 400, ask: () => ({ target: '/api-keys', ...json({ name: '' }) }) },
  {
    id: 'createApiKey',
    status: 403,
    about: 'more than one has oneself',
    ask: () => ({ target: '/api-keys', ...json({ name: 'k', scopes: ['admin'] }) }),
  },
  { id: 'listApiKeys', status: 200, ask: () => ({ target: '/api-keys?limit=1' }), headers: ['link'] },
  { id: 'listApiKeys', status: 400, ask: () => ({ target: '/api-keys?cursor=x' }) },
  { id: 'getApiKey', status: 200, ask: ({ apiKey }) => ({ target: `/api-keys/${apiKey}` }) },
  { id: 'getApiKey', status: 404, ask: () => ({ target: `/api-keys/${NOBODY}` }) },
  { id: 'revokeApiKey', status: 204, ask: ({ apiKey }) => ({ target: `/api-keys/${apiKey}` }) },
  { id: 'revokeApiKey', status: 404, ask: () => ({ target: `/api-keys/${NOBODY}` }) },
  { id: 'getMe', status: 200, ask: () => ({ target: '/me' }) },

  // ---- Sign-in
  { id: 'listSignInMethods', status: 200, ask: () => ({ target: '/sign-in' }) },
  {
    id: 'signIn',
    status: 302,
    ask: () => ({ target: '/sign-in/github' }),
    headers: ['location', 'cache-control'],
  },
  { id: 'signIn', status: 404, ask: () => ({ target: '/sign-in/nobody' }) },

  // ---- Operation
  { id: 'getHealth', status: 200, ask: () => ({ target: '/healthz' }) },
  { id: 'getReadiness', status: 200, ask: () => ({ target: '/readyz' }) },
  {
    id: 'getMetrics',
    status: 200,
    ask: () => ({ target: '/metrics', headers: { Authorization: `Bearer ${METRICS_TOKEN}` } }),
  },
  { id: 'getMetrics', status: 401, ask: () => ({ target: '/metrics' }) },
  { id: 'getOpenApi', status: 200, ask: () => ({ target: '/openapi.json' }), headers: ['etag'] },
  {
    id: 'getOpenApi',
    status: 304,
    ask: ({ etag }) => ({ target: '/openapi.json', headers: { 'If-None-Match': etag } }),
    headers: ['etag'],
  },
  { id: 'getDocumentation', status: 200, ask: () => ({ target: '/docs' }) },

  // ---- What ends things comes last
  {
    id: 'renewRetrievalUrl',
    status: 200,
    ask: ({ ready }) => ({ target: `/uploads/${ready}/retrieval-url` }),
  },
  { id: 'renewRetrievalUrl', status: 404, ask: () => ({ target: `/uploads/${NOBODY}/retrieval-url` }) },
  {
    id: 'retrieve',
    status: 404,
    about: 'by the old URL',
    ask: ({ token }) => ({ target: `/r/${token}/a.csv` }),
  },
  {
    id: 'deleteUpload',
    status: 200,
    about: 'so that it can be restored',
    ask: ({ undone }) => ({ target: `/uploads/${undone}?undo_seconds=600` }),
  },
  {
    id: 'deleteUpload',
    status: 204,
    about: 'for good, when it could be restored',
    ask: ({ undone }) => ({ target: `/uploads/${undone}` }),
  },
  {
    id: 'deleteUpload',
    status: 400,
    ask: ({ other }) => ({ target: `/uploads/${other}?undo_seconds=601` }),
  },
  { id: 'deleteUpload', status: 204, ask: ({ other }) => ({ target: `/uploads/${other}` }) },
  { id: 'deleteUpload', status: 410, ask: ({ other }) => ({ target: `/uploads/${other}` }) },
  { id: 'deleteUpload', status: 404, ask: () => ({ target: `/uploads/${NOBODY}` }) },
  { id: 'deleteFile', status: 204, ask: ({ sha256 }) => ({ target: `/files/${sha256}` }) },
  { id: 'deleteFile', status: 404, ask: ({ sha256 }) => ({ target: `/files/${sha256}` }) },
]

function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString()
}

const withId = z.object({ id: z.string() })

/** Makes it all, by `send`, which brings a credential. */
export async function prepare(send: (request: Ask) => Promise<Answer>): Promise<Ground> {
  const post = async (target: string, body?: unknown) => {
    const answer = await send({ method: 'POST', target, ...(body === undefined ? {} : json(body)) })
    return JSON.parse(answer.body.toString('utf8')) as unknown
  }
  const file = async (query: string, body: string) => {
    const answer = await send({
      method: 'POST',
      target: `/files?${query}`,
      headers: { 'Content-Type': 'text/csv' },
      body,
    })
    return z
      .object({ upload_id: z.string(), retrieval_url: z.string() })
      .parse(JSON.parse(answer.body.toString('utf8')))
  }
  const session = async () => withId.parse(await post('/uploads', { filename: 's.csv', size: 3 })).id
  const bytes = (id: string) =>
    send({
      method: 'PATCH',
      target: `/uploads/${id}`,
      headers: { 'Content-Range': 'bytes 0-2/3' },
      body: 'xyz',
    })
  const makePackage = async (files: string[]) => {
    const { id } = withId.parse(await post('/packages', { name: 'p', metadata: { site: 'x' } }))
    for (const name of files) await file(`filename=${name}&package_id=${id}`, name)
    return id
  }

  const ready = await file('filename=a.csv&label=lake', 'ready')
  const canceled = await session()
  await send({ method: 'DELETE', target: `/uploads/${canceled}` })
  const undone = (await file('filename=undone.csv', 'undone')).upload_id
  await send({ method: 'DELETE', target: `/uploads/${undone}?undo_seconds=600` })
  const whole = await session()
  await bytes(whole)
  await post('/uploads', { filename: 'before.csv' })
  await send({
    method: 'POST',
    target: '/uploads',
    headers: { ...JSON_TYPE, 'Idempotency-Key': 'once' },
    body: JSON.stringify({ filename: 'once.csv' }),
  })
  const tus = await send({
    method: 'POST',
    target: '/uploads',
    headers: { ...TUS, 'Upload-Length': '5', 'Upload-Metadata': 'filename YS5jc3Y=' },
  })
  const finalized = await makePackage(['in.csv', 'out.csv'])
  await post(`/packages/${finalized}/finalize`)
  const webhook = withId.parse(await post('/webhooks', { url: 'http://127.0.0.1:9/' })).id
  const etagOf = async (target: string) => String((await send({ method: 'GET', target })).headers.etag)
  return {
    ready: ready.upload_id,
    other: (await file('filename=other.csv', 'other')).upload_id,
    session: await session(),
    tus: String(tus.headers.location).split('/').at(-1) ?? '',
    whole,
    canceled,
    undone,
    token: ready.retrieval_url.split('/').at(-2) ?? '',
    sha256: createHash('sha256').update('ready').digest('hex'),
    open: await makePackage(['a.csv']),
    finalized,
    manifest: await etagOf(`/packages/${finalized}/manifest`),
    manifestJson: await etagOf(`/packages/${finalized}/manifest.json`),
    webhook,
    apiKey: withId.parse(await post('/api-keys', { name: 'k', scopes: ['read'] })).id,
    etag: await etagOf('/openapi.json'),
  }
}
