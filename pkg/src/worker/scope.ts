/**
 * What a service worker has that a page has not. TypeScript's DOM types do not know it, and its WebWorker types contradict
 * them; this is the part that is used here.
 */
export interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void
}

export interface FetchEvent extends ExtendableEvent {
  readonly request: Request
  respondWith(response: Promise<Response>): void
}

/** `sync` (https://wicg.github.io/background-sync/spec/) and `periodicsync`. */
export interface SyncEvent extends ExtendableEvent {
  readonly tag: string
}

interface EventsOfWorker {
  install: ExtendableEvent
  activate: ExtendableEvent
  fetch: FetchEvent
  sync: SyncEvent
  periodicsync: SyncEvent
}

export interface WorkerScope {
  readonly location: Location
  readonly caches: CacheStorage
  readonly registration: { readonly scope: string }
  readonly clients: { claim(): Promise<void> }
  skipWaiting(): Promise<void>
  addEventListener<K extends keyof EventsOfWorker>(kind: K, listener: (event: EventsOfWorker[K]) => void): void
}

/** The global scope of the service worker that this runs in. */
export function workerScope(): WorkerScope {
  return globalThis as unknown as WorkerScope
}
