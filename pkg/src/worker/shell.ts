import type { FetchEvent, WorkerScope } from './scope.js'

const PREFIX = 'landfall-shell-'

/** What the app needs to start without a network. */
export interface ShellOptions {
  /**
   * Addresses of everything that it loads, and of the page itself: the one at the worker's scope (`/`), else the first.
   * Each must be answered, or nothing is installed.
   */
  readonly shell: readonly string[]
  /** Names this set of files: another version is another set. */
  readonly version: string
}

/**
 * The app's files in the Cache API, a cache for each version.
 *
 * A page takes all its files from the worker that was active when it loaded them, so a new version is taken as a whole at
 * the next load. But the new worker takes over at once (`skipWaiting`), so that what it brings is not kept out for as
 * long as some tab stays open; and therefore the version before it is kept too, for the pages that still run it and load
 * another part of it late.
 */
export class Shell {
  readonly #scope: WorkerScope
  readonly #name: string
  readonly #urls: readonly string[]
  readonly #start: string

  constructor(scope: WorkerScope, { shell, version }: ShellOptions) {
    this.#scope = scope
    this.#name = `${PREFIX}${version}`
    this.#urls = [...new Set(shell.map(url => new URL(url, scope.location.href).href))]
    const { scope: home } = scope.registration
    const start = this.#urls.includes(home) ? home : this.#urls[0]
    if (start === undefined) throw new TypeError('serve: `shell` must name at least the page')
    this.#start = start
  }

  /** Stores every file, or fails: the browser then keeps the worker that it has and tries again later. */
  async install(): Promise<void> {
    const { caches } = this.#scope
    const isNew = !(await caches.has(this.#name))
    const cache = await caches.open(this.#name)
    try {
      // The server is asked, not the HTTP cache alone: it may hold the page of the version before.
      await cache.addAll(this.#urls.map(url => new Request(url, { cache: 'no-cache' })))
    } catch (error) {
      // Nothing was added. An empty cache would pass for the version before, and push out the one that is.
      if (isNew) await caches.delete(this.#name)
      throw error
    }
    await this.#scope.skipWaiting()
  }

  async activate(): Promise<void> {
    const { caches, clients } = this.#scope
    // In the order in which they were made.
    const others = (await caches.keys()).filter(name => name.startsWith(PREFIX) && name !== this.#name)
    await Promise.all(others.slice(0, -1).map(name => caches.delete(name)))
    await clients.claim()
  }

  /** Answers from the cache what is in it. Everything else goes its way as if there were no worker. */
  answer(event: FetchEvent): void {
    const { request } = event
    if (request.mode === 'navigate') {
      // Every address of the app is the same page: which view it shows is the page's own affair.
      event.respondWith(this.#of(this.#isFile(request.url) ? request.url : this.#start, request))
    } else if (!request.headers.has('range') && (request.destination !== '' || this.#isFile(request.url))) {
      // What scripts fetch has no destination: only where it is a file of the shell is it looked for there.
      event.respondWith(this.#of(request.url, request))
    }
  }

  #isFile(url: string): boolean {
    return this.#urls.includes(url)
  }

  /** A file as this version has it, or else as the version before has it, or else as the network has it. */
  async #of(url: string, request: Request): Promise<Response> {
    return (await this.find(url)) ?? fetch(request)
  }

  async find(url: string): Promise<Response | undefined> {
    const { caches } = this.#scope
    // Vary is of no use here: a shell's file is the same for everybody.
    const own = await caches.match(url, { cacheName: this.#name, ignoreVary: true })
    if (own !== undefined) return own
    for (const name of (await caches.keys()).reverse()) {
      if (!name.startsWith(PREFIX)) continue
      const older = await caches.match(url, { cacheName: name, ignoreVary: true })
      if (older !== undefined) return older
    }
    return undefined
  }
}
