/** The test site's service worker: the app's own delivery, and, for the tests of three writers, a writer of its own. */
import { defineSchema, open, type SchemaDocument } from 'landfall'
import { serve } from 'landfall/service-worker'
import document from '../../../www/schema.json'
import { append } from './append.js'

const schema = defineSchema(document as SchemaDocument)
const wasm = '/landfall_bg.wasm'

serve({ name: 'field', schema, remote: { url: '/api/sync' }, shell: ['/', '/page.js', wasm], version: '1', wasm })

type Question =
  | { readonly do: 'append'; readonly label: string; readonly count: number; readonly atOnce: number }
  | { readonly do: 'fold' }

// The DOM's types know `self` as a window; in a service worker a message is an extendable event.
type WorkerMessage = MessageEvent<Question> & { waitUntil(work: Promise<unknown>): void }

let opened: Promise<typeof globalThis.landfall> | undefined
function database(): Promise<typeof globalThis.landfall> {
  opened ??= open({
    name: 'field',
    schema,
    remote: { url: '/api/sync' },
    tenant: 'demo',
    principal: 'technician',
    wasm,
  }) as unknown as Promise<typeof globalThis.landfall>
  return opened
}

async function answer(question: Question): Promise<unknown> {
  const db = await database()
  if (question.do === 'fold') return db.debug.fold()
  return append(db, question.label, question.count, question.atOnce)
}

addEventListener('message', plain => {
  const event = plain as WorkerMessage
  const port = event.ports[0]
  if (port === undefined) return
  event.waitUntil(
    answer(event.data).then(
      value => port.postMessage({ value }),
      error => port.postMessage({ error: String(error) }),
    ),
  )
})
