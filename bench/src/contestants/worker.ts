/** The app's service worker: delivery by the package, and a question that wakes it. */
import { open } from 'landfall'
import { schema } from '../../../tests/e2e/site/budgets/item.js'
import { watchWasm } from '../page/wasm.js'

// The DOM's types know `self` as a window; in a service worker a message is an extendable event.
type WorkerMessage = MessageEvent<{ readonly id: string }> & { waitUntil(work: Promise<unknown>): void }

const wasm = '/bundle/landfall/wasm/landfall_bg.wasm'
const watch = watchWasm()

/** From nothing, as after a push or a sync event, to a record in hand. */
async function first(id: string): Promise<object> {
  const begun = performance.now()
  const db = await open({ name: 'bench', schema, remote: { url: '/api/sync', live: false }, wasm })
  const record = await db.tables.items.get(id)
  const ms = performance.now() - begun
  await db.close()
  return { title: record?.title, ms, wasmMs: watch.loadMs() }
}

addEventListener('install', () => void (self as unknown as { skipWaiting(): Promise<void> }).skipWaiting())
addEventListener('activate', event => {
  const { clients } = self as unknown as { readonly clients: { claim(): Promise<void> } }
  ;(event as unknown as WorkerMessage).waitUntil(clients.claim())
})
addEventListener('message', plain => {
  const event = plain as WorkerMessage
  const port = event.ports[0]
  event.waitUntil(
    first(event.data.id).then(
      value => port?.postMessage({ value }),
      error => port?.postMessage({ error: String(error) }),
    ),
  )
})
