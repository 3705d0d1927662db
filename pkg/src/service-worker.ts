/**
 * The service worker's part: the app's shell without a network, and delivery while no page is open.
 *
 * @packageDocumentation
 */
import { addressee } from './tag.js'
import { deliver, type DeliveryOptions } from './worker/delivery.js'
import { type SyncEvent, workerScope } from './worker/scope.js'
import { Shell, type ShellOptions } from './worker/shell.js'

export type { DeliveryOptions, ShellOptions }
export { defineSchema } from './schema.js'

export interface ServeOptions extends DeliveryOptions, ShellOptions {
  /** Where the engine's `.wasm` lies; it is among the shell's files. */
  readonly wasm: string | URL
}

/**
 * Makes this service worker the app's: to be called once, in the first turn of its script.
 *
 * - It precaches the shell, and answers the app's page and files from there. Requests to the sync server are never
 *   touched, nor those to other origins or with another method than GET.
 * - On a Background Sync or Periodic Sync event it sends and fetches what the database of the event's tag has, and lets the
 *   event fail when something that could be sent is not, so that the browser tries again.
 */
export function serve(options: ServeOptions): void {
  const scope = workerScope()
  const shell = new Shell(scope, options)
  const wasm = new URL(options.wasm, scope.location.href).href
  const server = new URL(options.remote.url, scope.location.href)

  scope.addEventListener('install', event => event.waitUntil(shell.install()))
  scope.addEventListener('activate', event => event.waitUntil(shell.activate()))
  scope.addEventListener('fetch', event => {
    const { method, url } = event.request
    const { origin, pathname } = new URL(url)
    const isServer = origin === server.origin && `${pathname}/`.startsWith(`${server.pathname.replace(/\/$/, '')}/`)
    if (method === 'GET' && origin === scope.location.origin && !isServer) shell.answer(event)
  })

  // The worker's own requests do not come to its fetch listener: it looks into the cache itself.
  const findWasm = async () => (await shell.find(wasm)) ?? fetch(wasm)
  const deliveries = new Map<string, Promise<void>>()
  const synchronise = (event: SyncEvent) => {
    const whose = addressee(event.tag, options.name)
    if (whose === undefined) return
    // One after the other, and not one for both: what the second event stands for may have come too late for the first.
    const before = deliveries.get(event.tag) ?? Promise.resolve()
    const run = () => deliver(options, whose, findWasm)
    const delivery = before.then(run, run)
    deliveries.set(event.tag, delivery)
    event.waitUntil(delivery)
  }
  scope.addEventListener('sync', synchronise)
  scope.addEventListener('periodicsync', synchronise)
}
