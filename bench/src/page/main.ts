import type { Contestant, DownloadPage, MakeContestant } from './contestant.js'
import floor from '../contestants/floor.js'
import { groupName, makeItem, makeItems, type StoredItem } from './item.js'
import landfall from '../contestants/landfall.js'
import raw from '../contestants/raw.js'

/** What runs inside a measured page. Every figure is in milliseconds. */
export interface Bench {
  measure(contestant: ContestantName, workload: WorkloadName): Promise<Record<string, number>>
}

export type ContestantName = 'raw' | 'floor' | 'landfall'
export type WorkloadName =
  | 'single'
  | 'single in 10,000'
  | 'separate'
  | 'many'
  | 'pull'
  | 'apply'
  | 'queries'
  | 'fill by create'
  | 'fill by pull'
  | 'start'

declare global {
  var bench: Bench
}

const singleWrites = 300
const warmUpWrites = 50
const storeSize = 10_000
const queries = 100

const contestants: Record<ContestantName, MakeContestant> = { raw, floor, landfall }

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function downloadBodies(): Promise<string[]> {
  const bodies: string[] = []
  for (let page = 0; page < storeSize / 1_000; page += 1)
    bodies.push(await (await fetch(`/recorded/${page}.json`)).text())
  return bodies
}

/** Lets what an engine (compaction) or the browser (its start) is busy with end before something else is measured. */
function settle(ms = 500): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** Awaited one after the other. Their numbers lie past those of the store that is measured. */
async function write(store: Contestant, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await store.create(makeItem(2 * storeSize + i))
}

/** Writes are measured in an app that has written before: its code is compiled and its database has had a transaction. */
async function warmUp(store: Contestant): Promise<void> {
  await write(store, warmUpWrites)
  await store.createSeparately(makeItems(3 * storeSize, warmUpWrites))
  await store.createMany(makeItems(3 * storeSize, 10 * warmUpWrites))
}

/** The median, because one write that another process got in the way of says nothing of a write. */
async function singleWrite(store: Contestant): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < singleWrites; i += 1) times.push(await time(() => write(store, 1)))
  return times.sort((a, b) => a - b)[singleWrites >> 1] ?? Number.NaN
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the measurement is void: ${what}`)
}

const remembered = 'the record that a cold start asks for'
async function rememberOne(store: Contestant): Promise<void> {
  await settle()
  localStorage.setItem(remembered, JSON.stringify((await store.readAll())[storeSize / 2]))
}

const workloads: Record<WorkloadName, (store: Contestant) => Promise<Record<string, number>>> = {
  async single(store) {
    await store.open()
    await warmUp(store)
    return { single: await singleWrite(store) }
  },
  async 'single in 10,000'(store) {
    await store.open()
    await store.pull(await downloadBodies())
    await warmUp(store)
    await settle()
    return { 'single in 10,000': await singleWrite(store) }
  },
  async separate(store) {
    await store.open()
    await warmUp(store)
    const items = makeItems(0, 1_000)
    return { separate: await time(() => store.createSeparately(items)) }
  },
  async many(store) {
    await store.open()
    await warmUp(store)
    const items = makeItems(0, storeSize)
    return { many: await time(() => store.createMany(items)) }
  },
  async pull(store) {
    await store.open()
    const bodies = await downloadBodies()
    const ms = await time(() => store.pull(bodies))
    expect((await store.readAll()).length === storeSize, 'not every record was pulled')
    return { pull: ms }
  },
  async apply(store) {
    await store.open()
    const pages = (await downloadBodies()).map(body => JSON.parse(body) as DownloadPage)
    return { apply: await time(async () => store.apply?.(pages)) }
  },
  async 'fill by create'(store) {
    await store.open()
    await store.createMany(makeItems(0, storeSize))
    await rememberOne(store)
    return {}
  },
  async 'fill by pull'(store) {
    await store.open()
    await store.pull(await downloadBodies())
    await rememberOne(store)
    return {}
  },
  /** In a newly started browser whose own start has ended, on an origin that was filled before: the clock starts when the library is asked to evaluate. */
  async start(store) {
    const { id, title } = JSON.parse(localStorage.getItem(remembered) ?? '{}') as StoredItem
    await settle(1_000)
    const start = performance.now()
    await store.open()
    const record = await store.get(id)
    const first = performance.now() - start
    const all = await store.readAll()
    const whole = performance.now() - start
    expect(record !== undefined && record.title === title, 'the first record is not the one that was stored')
    expect(all.length === storeSize && all.every(one => one.title !== ''), 'not every record was read')
    return { first, all: whole }
  },
  async queries(store) {
    await store.open()
    await store.pull(await downloadBodies())
    await settle()
    // Who builds an index when it is first asked for has built it.
    await store.queryGroup(groupName(0))
    let found = 0
    const ms = await time(async () => {
      for (let n = 0; n < queries; n += 1) found += (await store.queryGroup(groupName(n))).length
    })
    expect(found === storeSize, `the queries found ${found} records`)
    return { queries: ms }
  },
}

globalThis.bench = {
  measure(contestant, workload) {
    if (!crossOriginIsolated) throw new Error('the page is not cross-origin isolated: its clock is too coarse')
    return workloads[workload](contestants[contestant]())
  },
}
