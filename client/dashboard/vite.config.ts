// Builds the page into dist/dashboard (dist/client holds what tsc compiles). Everything is served from this
// server under `default-src 'self'`: no CDN, and no script in the HTML.

import { defineConfig } from 'vite'

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
  },
})
