import type { Contestant, DownloadPage } from './contestant.js'
import { groupName, groupSize, makeItem, makeItems, type StoredItem } from './item.js'
import { pushPath } from './contestant.js'
import { expect, type Figures, markAndFreeze, median, type Options, settle, type Stage, time } from './stage.js'

export type Workload = (stage: Stage, options: Options) => Promise<Figures>

const storeSize = 10_000
const singleWrites = 300
/** Whoever takes longer for them has shown enough. */
const singleMsMax = 2_000
const warmUpWrites = 50
const queries = storeSize / groupSize
const pushes = 1_000
const pendingUpdates = 500
const liveWrites = 50
const survivors = 20
const drained = 200

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

async function singles(store: Contestant, name: string): Promise<Figures> {
  const times: number[] = []
  const start = performance.now()
  while (times.length < singleWrites && performance.now() - start < singleMsMax)
    times.push(await time(() => write(store, 1)))
  return { [name]: median(times), operations: times.length }
}

/** The ids of a pulled store's first records. */
const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1))

const remembered = 'the record that a cold start asks for'
async function rememberOne(store: Contestant): Promise<Figures> {
  // An app that will be started again was open for longer than whatever an engine puts off.
  await settle(2_500)
  const { id, title } = (await store.readAll())[storeSize / 2] as StoredItem
  localStorage.setItem(remembered, JSON.stringify({ id, title }))
  await store.close()
  return {}
}

/** Opens, asks for one record, then for all. Loading wasm is told apart: whoever has none pays nothing for it. */
async function firstAndAll(stage: Stage, state: string, start: number): Promise<Figures> {
  const { id, title } = JSON.parse(localStorage.getItem(remembered) ?? '{}') as Partial<StoredItem>
  expect(id !== undefined, 'nothing was filled')
  const store = await stage.open()
  const record = await store.get(id ?? '')
  const first = performance.now() - start
  const all = await store.readAll()
  const whole = performance.now() - start
  expect(record?.title === title, 'the first record is not the one that was stored')
  expect(all.length === storeSize && all.every(one => one.title !== ''), `${all.length} records were read`)
  const wasm = stage.wasm.loadMs()
  return {
    [`${state}, first`]: first - wasm,
    [`${state}, all`]: whole - wasm,
    [`${state}, first with wasm`]: first,
    [`${state}, wasm`]: wasm,
  }
}

const start =
  (state: string): Workload =>
  async (stage, options) => {
    // The browser's own start is to end before.
    await settle()
    return stage.measured(options, () => firstAndAll(stage, state, performance.now()))
  }

export const workloads = {
  /** What the marks and a second of a page that does nothing cost. */
  idle: (stage, options) => stage.measured(options, async () => ({ idle: 0 })),

  async single(stage, options) {
    const store = await stage.open()
    await warmUp(store)
    await settle()
    return stage.measured(options, () => singles(store, 'single'))
  },

  async 'single in 10,000'(stage, options) {
    const store = await stage.open()
    await store.pull(await stage.bodies(storeSize))
    await warmUp(store)
    await settle()
    return stage.measured(options, () => singles(store, 'single in 10,000'))
  },

  async separate(stage, options) {
    const store = await stage.open()
    await warmUp(store)
    await settle()
    const items = makeItems(0, 1_000)
    return stage.measured(options, async () => ({ separate: await time(() => store.createSeparately(items)) }))
  },

  async many(stage, options) {
    const store = await stage.open()
    await warmUp(store)
    await settle()
    const items = makeItems(0, storeSize)
    return stage.measured(options, async () => ({ many: await time(() => store.createMany(items)) }))
  },

  async pull(stage, options) {
    const store = await stage.open()
    const bodies = await stage.bodies(storeSize)
    const figures = await stage.measured(options, async () => ({ pull: await time(() => store.pull(bodies)) }))
    const { length } = await store.readAll()
    expect(length === storeSize, `${length} records were pulled`)
    return figures
  },

  async apply(stage, options) {
    const store = await stage.open()
    const { apply } = store
    if (apply === undefined) return {}
    const pages = (await stage.bodies(storeSize)).map(body => JSON.parse(body) as DownloadPage)
    return stage.measured(options, async () => ({ apply: await time(() => apply.call(store, pages)) }))
  },

  /** All are news, and some of them have a change that is still queued: it is to stay on top. */
  async 'pull over pending'(stage, options) {
    const store = await stage.open()
    const bodies = await stage.bodies(storeSize, 2)
    await store.pull(await stage.bodies(1_000))
    await store.updateField(ids(pendingUpdates), 'mine')
    await settle()
    const figures = await stage.measured(options, async () => ({
      'pull over pending': await time(() => store.pull(bodies)),
    }))
    const all = await store.readAll()
    expect(all.length === storeSize, `${all.length} records were pulled`)
    const kept = all.filter(({ status }) => status === 'mine').length
    expect(kept === pendingUpdates, `${kept} of ${pendingUpdates} local changes are left`)
    return figures
  },

  async queries(stage, options) {
    const store = await stage.open()
    await store.pull(await stage.bodies(storeSize))
    await settle()
    // Who builds an index when it is first asked for has built it.
    await store.queryGroup(groupName(0))
    return stage.measured(options, async () => {
      let found = 0
      const ms = await time(async () => {
        for (let n = 0; n < queries; n += 1) found += (await store.queryGroup(groupName(n))).length
      })
      expect(found === storeSize, `the queries found ${found} records`)
      return { queries: ms }
    })
  },

  async push(stage, options) {
    const store = await stage.open()
    // Each a mutation of its own for everybody: of who makes one entry of a bulk call, the push would be of that one.
    await store.createSeparately(makeItems(storeSize, 2 * warmUpWrites))
    await store.push(pushPath)
    await store.createSeparately(makeItems(0, pushes))
    await settle()
    const figures = await stage.measured(options, async () => ({ push: await time(() => store.push(pushPath)) }))
    const left = await store.queued()
    expect(left === 0, `${left} are still queued`)
    return figures
  },

  async update(stage, options) {
    const store = await stage.open()
    await store.pull(await stage.bodies(storeSize))
    await store.updateField(ids(storeSize).slice(-warmUpWrites), 'warm')
    await settle()
    const changed = ids(pushes)
    const figures = await stage.measured(options, async () => ({
      update: await time(() => store.updateField(changed, 'changed')),
    }))
    const kept = (await store.readAll()).filter(({ status }) => status === 'changed').length
    expect(kept === pushes, `${kept} records are changed`)
    return figures
  },

  /** For the bytes that 1,000 changed fields are on the wire. What comes before is sent before. */
  async 'update sent'(stage) {
    const store = await stage.open()
    await store.pull(await stage.bodies(storeSize))
    await store.updateField(ids(storeSize).slice(-warmUpWrites), 'warm')
    await store.push(pushPath)
    await fetch('/mark/before')
    await store.updateField(ids(pushes), 'changed')
    await store.push(pushPath)
    await fetch('/mark/sent')
    return {}
  },

  async live(stage) {
    const store = await stage.open()
    await store.pull(await stage.bodies(storeSize))
    if (store.subscribeGroup === undefined) return {}
    let shown: (items: readonly StoredItem[]) => void = () => {}
    const stop = await store.subscribeGroup(groupName(0), items => shown(items))
    const toldIn: number[] = []
    const safeIn: number[] = []
    for (let i = 1; i <= liveWrites; i += 1) {
      const told = new Promise<void>(resolve => {
        shown = items => {
          if (items.length === groupSize + i) resolve()
        }
      })
      const begun = performance.now()
      await Promise.all([store.create(makeItem(0)), told.then(() => toldIn.push(performance.now() - begun))])
      safeIn.push(performance.now() - begun)
    }
    stop()
    return { live: median(safeIn), 'live, told': median(toldIn) }
  },

  /** Fills the origin for a page that comes later. */
  async 'fill by pull'(stage) {
    const store = await stage.open()
    await store.pull(await stage.bodies(storeSize))
    return rememberOne(store)
  },
  async 'fill by create'(stage) {
    const store = await stage.open()
    await store.createMany(makeItems(0, storeSize))
    return rememberOne(store)
  },
  /** In a newly started browser, on an origin that was filled before: the clock starts when the library is asked to evaluate. */
  'start synced': start('start synced'),
  'start queued': start('start queued'),
  /** The page's own navigation began the clock, and this was called by its script. */
  navigate: stage => firstAndAll(stage, 'navigation', 0),

  /** Awaits its creates, and is killed in the turn in which the last of them resolved. */
  async 'write and die'(stage) {
    const store = await stage.open()
    await write(store, survivors)
    return markAndFreeze('kill')
  },
  async 'count survivors'(stage) {
    const store = await stage.open()
    const [records, queued] = [(await store.readAll()).length, await store.queued()]
    await store.close()
    return { survived: Math.min(records, queued) }
  },

  async 'drain and die'(stage) {
    const store = await stage.open()
    await store.createSeparately(makeItems(0, drained))
    await store.push(pushPath)
    return markAndFreeze('kill')
  },
  async 'drain again'(stage) {
    const store = await stage.open()
    await store.push(pushPath)
    return { left: await store.queued() }
  },

  async disk(stage) {
    const store = await stage.open()
    await store.pull(await stage.bodies(storeSize))
    await store.createMany(makeItems(storeSize, 1_000))
    await settle()
    await store.close()
    const { usage = Number.NaN } = await navigator.storage.estimate()
    return { disk: usage / 1e6 }
  },
} as const satisfies Record<string, Workload>

export type WorkloadName = keyof typeof workloads
