import type { Contestant, MakeContestant } from './contestant.js'
import { type WasmWatch, watchWasm } from './wasm.js'

/** What a workload gives: figures by name. Times are in milliseconds. */
export type Figures = Readonly<Record<string, number>>

export interface Options {
  /** Whether work that is put off is waited for and told. */
  readonly putOff?: boolean
  /** Which of two filled states, or how many records. */
  readonly size?: number
}

const putOffMs = 1_000

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** Lets what an engine (compaction) or the browser (its start) is busy with end before something else is measured. */
export async function settle(ms = 500): Promise<void> {
  await sleep(ms)
  // Where the harness can see what the browser does, it answers when that is nothing.
  await mark('quiet')
}

export async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** The middle one, because one write that another process got in the way of says nothing of a write. */
export function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN
}

export function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the measurement is void: ${what}`)
}

/** Tells the harness where the page is, and goes on when the harness has taken its own measure. */
export async function mark(name: string): Promise<void> {
  await fetch(`/mark/${name}`, { method: 'POST', cache: 'no-store' })
}

/** The same without giving anything else in this page a turn, and without an end: the harness kills the page. */
export function markAndFreeze(name: string): never {
  const request = new XMLHttpRequest()
  request.open('POST', `/mark/${name}`, false)
  request.send()
  throw new Error('the page went on after it was killed')
}

/** The page of one contestant, and what workloads need of it. */
export class Stage {
  readonly wasm: WasmWatch = watchWasm()
  #store: Contestant | undefined

  constructor(readonly contestant: string) {}

  /** Evaluates the contestant's module. */
  async make(): Promise<Contestant> {
    if (this.#store === undefined) {
      const module = (await import(`/bundle/${this.contestant}/contestant.js`)) as { readonly default: MakeContestant }
      this.#store = module.default()
    }
    return this.#store
  }

  /** The same, and opens its database. */
  async open(): Promise<Contestant> {
    const store = await this.make()
    await store.open()
    return store
  }

  /** Runs what is measured between two marks, so that the harness knows what it cost all of the browser's processes. */
  async measured(options: Options, work: () => Promise<Figures>): Promise<Figures> {
    await mark('begin')
    const figures = await work()
    await mark('end')
    if (options.putOff === true) {
      await sleep(putOffMs)
      await mark('after')
    }
    return figures
  }

  /** The recorded answers to a download of so many records, all of one version. */
  async bodies(size: number, version = 1): Promise<string[]> {
    const bodies: string[] = []
    for (let page = 0; page < size / 1_000; page += 1)
      bodies.push(await (await fetch(`/recorded/${size}/${page}/${version}`)).text())
    return bodies
  }
}
