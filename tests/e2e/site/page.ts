/** The smallest app: opens the database and leaves it, and the package, to the test. */
import { defineSchema, LandfallError, open, type SchemaDocument } from 'landfall'
import document from '../../../www/schema.json'
import { append } from './append.js'

export interface OpenOptions {
  readonly name?: string
  readonly schema?: unknown
  readonly principal?: string
  /** What this release of the app has in its schema otherwise: `version`, `minReader`, `minWriter`. */
  readonly release?: object
  readonly scope?: string
}

/** What a rejected or throwing call said, in a form that crosses to the test. */
export interface Refusal {
  readonly isLandfallError: boolean
  readonly code: string
  readonly field: string | undefined
  readonly message: string
  readonly retryable: boolean
}

const site = {
  /** Opens the app's database as `landfall`, a global. */
  async open(options: OpenOptions = {}): Promise<void> {
    globalThis.landfall = (await open({
      name: options.name ?? 'field',
      schema: defineSchema({ ...((options.schema ?? document) as SchemaDocument), ...options.release }),
      ...(options.scope === undefined ? {} : { scope: options.scope }),
      remote: { url: '/api/sync' },
      tenant: 'demo',
      principal: options.principal ?? 'technician',
      wasm: '/landfall_bg.wasm',
    })) as unknown as typeof globalThis.landfall
  },

  async registerWorker(): Promise<void> {
    await navigator.serviceWorker.register('/sw.js')
    await navigator.serviceWorker.ready
  },

  /** Asks the worker something on a channel of its own: see worker.ts. Tests of delivery never use it. */
  async ask(question: object): Promise<unknown> {
    const worker = (await navigator.serviceWorker.ready).active
    if (worker === null) throw new Error('no worker is active')
    const { port1, port2 } = new MessageChannel()
    const answer = new Promise<MessageEvent>(resolve => {
      port1.onmessage = resolve
    })
    worker.postMessage(question, [port2])
    const { data } = await answer
    if (typeof data.error === 'string') throw new Error(data.error)
    return data.value
  },

  append: (label: string, count: number, atOnce: number) => append(globalThis.landfall, label, count, atOnce),

  /** Keeps the thread for this long, and everything that runs on it. */
  block(ms: number): void {
    const end = performance.now() + ms
    while (performance.now() < end);
  },

  /** The longest that one awaited write took, of those made in this time. */
  async slowestWrite(forMs: number): Promise<{ readonly slowestMs: number; readonly writes: number }> {
    const end = performance.now() + forMs
    let slowestMs = 0
    let writes = 0
    while (performance.now() < end) {
      const start = performance.now()
      await append(globalThis.landfall, `timed ${writes}`, 1, 1)
      slowestMs = Math.max(slowestMs, performance.now() - start)
      writes += 1
    }
    return { slowestMs, writes }
  },

  /** Runs what must be refused. */
  async refusal(work: () => unknown): Promise<Refusal> {
    try {
      await work()
    } catch (error) {
      const { code, field, message, retryable } = error as LandfallError
      return { isLandfallError: error instanceof LandfallError, code, field, message, retryable }
    }
    throw new Error('it was not refused')
  },
}

declare global {
  var site: Site
}
export type Site = typeof site
globalThis.site = site
