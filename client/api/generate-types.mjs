// Makes generated/openapi.ts, the types of every operation, of the document that the compiled server makes of the schemas
// it validates by. Run by server/setup.mjs, between compiling without checks and with.

import { mkdirSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'

// openapi-typescript prints with the API of TypeScript 5, which TypeScript 7 doesn't have.
register(
  `data:text/javascript,${encodeURIComponent(`
    export const resolve = (specifier, context, next) =>
      next(specifier === 'typescript' ? '@tsd/typescript' : specifier, context)
  `)}`,
  import.meta.url,
)
const { default: openapiTypescript, astToString } = await import('openapi-typescript')
const { openApi } = await import('../../dist/server/openapi.js')

const types = await openapiTypescript(openApi('generated'), { alphabetize: true })
const file = new URL('generated/openapi.ts', import.meta.url)
mkdirSync(new URL('.', file), { recursive: true })
writeFileSync(
  fileURLToPath(file),
  `// Made by ../generate-types.mjs of the server's operations.\n\n${astToString(types)}`,
)
