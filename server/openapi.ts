// The whole API, as openapi.json tells it: made from the very schemas that validate requests. Pure.

import { apiKeyOperations } from './auth/operations.js'
import { eventOperations } from './events/operations.js'
import { fileOperations, retrievalOperations } from './files/operations.js'
import type { Operation } from './http/operation.js'
import { metricsOperations } from './metrics/operations.js'
import { type DocumentHead, openApiDocument } from './openapi/document.js'
import { opsOperations } from './ops/operations.js'
import { emlOperations } from './packages/eml-operations.js'
import { packageOperations } from './packages/operations.js'
import { shareOperations } from './packages/share-operations.js'
import { meOperations } from './quotas/operations.js'
import { signInOperations } from './sign-in/operations.js'
import { uploadOperations } from './uploads/operations.js'
import { webhookOperations } from './webhooks/operations.js'

/** Every operation that this server has. */
export const operations: readonly Operation[] = [
  ...uploadOperations,
  ...fileOperations,
  ...retrievalOperations,
  ...packageOperations,
  ...shareOperations,
  ...emlOperations,
  ...eventOperations,
  ...webhookOperations,
  ...apiKeyOperations,
  ...meOperations,
  ...signInOperations,
  ...opsOperations,
  ...metricsOperations,
]

const DESCRIPTION = `
Resumable uploads for research data: what comes before PASTA. An *upload* is one act of sending one file, a session while
its bytes arrive and a report after. A *file* is content, named by its SHA-256 and stored once. A *package* groups uploads
under a label. Every way in ends in the same report, with three checksums and a URL that hands out the bytes.

**Conventions.** JSON members are \`snake_case\`, times RFC 3339 in UTC, sizes bytes, digests lowercase hex. Members of a
body that are not described here are refused with 400, and so are parameters where an operation has some. Lists answer
\`items\` and \`next_cursor\`, and the next page in \`Link\`. Every refusal is \`application/problem+json\` (RFC 9457) with
a \`code\` for programs and a \`detail\` that says what to do next. What another owner has is 404, as what never was. HEAD
works wherever GET does, and a method that a path doesn't have is 405.

**Credentials.** \`Authorization: Bearer <JWT or key>\` or \`X-API-Key: <key>\`, with the scope that each operation names;
\`admin\` has them all, and sees every owner's. Never in a URL. Where a limit is set, \`RateLimit\` tells what is left of it.

**Clients behind a network that lets only GET and POST through** may send a POST with \`X-HTTP-Method-Override\` PATCH,
DELETE or HEAD under \`/uploads\`. What isn't HTTP is refused before it is looked at: 400, 408, or 431 for headers of more
than 16 KiB.
`.trim()

const HEAD: Omit<DocumentHead, 'version'> = {
  title: 'antipasto',
  description: DESCRIPTION,
  tags: [
    {
      name: 'Uploads',
      description: 'Sessions while bytes arrive, reports after. tus 1.0.0 and plain HTTP on one URL.',
    },
    { name: 'Files', description: 'Content by its SHA-256, and a file in one request.' },
    { name: 'Retrieval', description: 'What PASTA pulls: no credential, the URL is the right.' },
    { name: 'Packages', description: 'Uploads that belong together, and their manifests.' },
    { name: 'EML', description: 'What EML documents say of the files of a package.' },
    { name: 'Events', description: 'What happened, in order.' },
    { name: 'Webhooks', description: 'Events that are sent by themselves.' },
    {
      name: 'API keys',
      description: 'Credentials that this server makes: who they are, and what they may do.',
    },
    { name: 'Operation', description: 'Health, figures and documentation.' },
  ],
}

/** openapi.json of this server. */
export function openApi(version: string): Record<string, unknown> {
  return openApiDocument({ ...HEAD, version }, operations)
}
