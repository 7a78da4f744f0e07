import type { Package } from '../../server/packages/package.js'

/** An open package of 1 January 2026 that ends on the 31st; `changes` make it another. */
export function aPackage(changes: Partial<Package> = {}): Package {
  return {
    id: 'b'.repeat(40),
    owner: 'somebody',
    state: 'open',
    name: 'Lake survey',
    label: 'lake',
    producer: null,
    subject: null,
    retentionClass: 'staging',
    metadata: {},
    createdAt: new Date('2026-01-01T00:00:00Z'),
    finalizedAt: null,
    endsAt: new Date('2026-01-31T00:00:00Z'),
    endsInSeconds: 1000.9,
    manifestSha256: null,
    ...changes,
  }
}
