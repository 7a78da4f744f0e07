import { describe, expect, test } from '@jest/globals'
import { type EventRow, toEvent } from '../../server/events/event.js'
import { eventSchema } from '../../server/events/operations.js'
import { frameOf } from '../../server/events/stream.js'

const row: EventRow = {
  sequence: 7n,
  type: 'upload.ready.v1',
  at: new Date('2026-11-21T06:00:00.123Z'),
  owner: 'lter-ntl',
  uploadId: 'u1',
  packageId: null,
  data: {
    ...{ state: 'ready', filename: 'a\nb.csv', label: 'lakes', relative_path: null, size: 5 },
    ...{ sha256: 'ab', expires_at: '2026-12-21T07:00:00.5+01:00', error: null },
  },
}

describe('An event', () => {
  test('has its times in UTC, whatever the time zone of the session that wrote them', () => {
    const event = toEvent(row)
    expect(event).toEqual({
      sequence: 7,
      type: 'upload.ready.v1',
      at: '2026-11-21T06:00:00.123Z',
      owner: 'lter-ntl',
      upload_id: 'u1',
      package_id: null,
      data: { ...row.data, expires_at: '2026-12-21T06:00:00.500Z', by: null },
    })
    expect(eventSchema.parse(event)).toEqual(event)
  })

  test.each(['9999-12-31T00:00:00+00:00', '9999-12-31T14:00:00+14:00'])(
    'of what never ends has no end (%s)',
    (at) => {
      expect(toEvent({ ...row, data: { ...row.data, expires_at: at } }).data.expires_at).toBeNull()
    },
  )

  test('from before there were packages has every member of today', () => {
    const old = { state: 'ready', filename: null, label: null, size: 5, sha256: 'ab', error: null }
    const event = toEvent({ ...row, data: old })
    expect(event.data).toEqual({ ...old, relative_path: null, expires_at: null, by: null })
    expect(eventSchema.parse(event)).toEqual(event)
  })

  test('of a package has the members of a package', () => {
    const event = toEvent({
      ...row,
      type: 'package.finalized.v1',
      uploadId: null,
      packageId: 'p1',
      data: { state: 'finalized', name: 'Lakes', label: null, expires_at: null, manifest_sha256: 'cd' },
    })
    expect(eventSchema.parse(event)).toEqual(event)
    expect(Object.keys(event.data)).not.toContain('filename')
  })

  test('of a share has whom with, and who did it', () => {
    const by = { owner: 'lter-ntl', key_id: null, request_id: 'r1' }
    const event = toEvent({
      ...row,
      type: 'package.shared.v1',
      uploadId: null,
      packageId: 'p1',
      data: { state: 'open', name: 'Lakes', label: null, grantee: 'lab', access: 'read', by },
    })
    expect(event.data).toMatchObject({ grantee: 'lab', access: 'read', by, manifest_sha256: null })
    expect(eventSchema.parse(event)).toEqual(event)
  })

  test('of an API key has what a list shows of it, and neither upload nor package', () => {
    const event = toEvent({
      ...row,
      type: 'api_key.created.v1',
      uploadId: null,
      data: { key_id: 'k1', name: 'lab', prefix: 'ap_12345', scopes: ['read'], expires_at: null },
    })
    expect(Object.keys(event.data).sort()).toEqual(['by', 'expires_at', 'key_id', 'name', 'prefix', 'scopes'])
    expect(eventSchema.parse(event)).toEqual(event)
  })

  test('is one frame of a stream, in which no line break of its own stands', () => {
    const event = toEvent(row)
    const lines = frameOf(event).split('\n')
    expect(lines).toEqual(['id: 7', 'event: upload.ready.v1', `data: ${JSON.stringify(event)}`, '', ''])
    expect(JSON.parse(String(lines[2]).slice('data: '.length))).toEqual(event)
  })
})
