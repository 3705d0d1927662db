/** The worker of the app whose conflicts are tested: it delivers, and merges by the same rules and functions as the page. */
import { defineSchema, serve } from 'landfall/service-worker'
import { functions } from './functions.js'
import { schema } from './schema.js'

const wasm = '/landfall_bg.wasm'

serve({
  name: 'field',
  schema: defineSchema(schema),
  functions,
  remote: { url: '/api/sync' },
  shell: ['/conflicts.html', '/conflicts.js', wasm],
  version: '1',
  wasm,
})
