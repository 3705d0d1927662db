// The app's own service worker. vite.config.ts bundles it to one classic script, /sw.js: Firefox has no module
// service workers before 2025, and a classic script registers its listeners in the first turn.
import { serve } from 'landfall/service-worker'
import document from '../schema.json'
import type { FieldSchema } from './schema-type'

/** Everything that the page build emitted, with a hash of it, written in by the build. */
declare const __SHELL__: { readonly urls: string[]; readonly version: string; readonly wasm: string }

serve({
  name: 'field',
  schema: document as FieldSchema,
  remote: { url: '/api/sync' },
  shell: __SHELL__.urls,
  version: __SHELL__.version,
  wasm: __SHELL__.wasm,
})
