// Builds the page into dist/dashboard (dist/client holds what tsc compiles). Everything is served from this
// server under `default-src 'self'`: no CDN, and no script in the HTML.

import { defineConfig } from 'vite'

/** What there is of sending before Uppy is. */
const FIRST_OF_SENDING =
  /^send\/(view|drop-area|label-field|label|last-label|notes|picked|room|safe-line|sending|held|go-on)\.tsx?$/

/** Of the views that come later only what several of them share. */
function isOfFirstView(module: string): boolean {
  const [, file = ''] = /client\/dashboard\/(.+)$/.exec(module) ?? []
  if (file === '') return /client\/(api\/|format\.ts)|node_modules\/@?preact/.test(module)
  if (/^(upload|package|settings)\//.test(file)) return /^upload\/(remove|undo|name)/.test(file)
  if (file.startsWith('send/')) return FIRST_OF_SENDING.test(file)
  return /^(parts|words|frame|staged|sign-in|[^/]+$)/.test(file)
}

export default defineConfig({
  // Wherever it is called from.
  root: import.meta.dirname,
  // Relative, so that the page also works below a path (https://example.org/staging/).
  base: './',
  // Uppy brings Preact; two of them on one page don't know each other's hooks.
  resolve: { dedupe: ['preact'] },
  // Relative as well: a worker is loaded from beside the page's other assets.
  worker: { format: 'es' },
  build: {
    outDir: '../../dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: true,
    // The polyfill is only for browsers without modulepreload; Uppy itself needs newer ones.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // What the first view needs comes in one piece, in the order of its imports, rather than in pieces that it shares with
        // later views: on a slow computer each takes its time.
        strictExecutionOrder: true,
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [{ name: 'first', test: isOfFirstView }],
        },
      },
    },
  },
})
