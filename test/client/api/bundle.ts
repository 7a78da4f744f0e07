// Builds a module for browsers and prints what it is made of. A process of its own: Vite's native part doesn't know Jest's realm.
//
//   node bundle.js FILE  →  {"modules": […], "code": "…"}

import { argv } from 'node:process'
import { build, type Rolldown } from 'vite'

const result = await build({
  configFile: false,
  logLevel: 'silent',
  build: {
    write: false,
    minify: false,
    rolldownOptions: { input: String(argv[2]), preserveEntrySignatures: 'strict' },
  },
})
const outputs = (Array.isArray(result) ? result : [result]) as Rolldown.RolldownOutput[]
const chunks = outputs
  .flatMap(({ output }) => [...output])
  .filter((one): one is Rolldown.OutputChunk => one.type === 'chunk')
const modules = chunks.flatMap(({ moduleIds }) => moduleIds)
process.stdout.write(JSON.stringify({ modules, code: chunks.map(({ code }) => code).join('\n') }))
