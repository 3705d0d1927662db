/** A page in which one operation of the package is counted at a time. */
import { type Database, open } from 'landfall'
import { type Counts, install, read, settled } from './counters.js'
import { makeItem, makeItems, schema } from './item.js'
import { letPass, standStill } from './standstill.js'

install()
standStill()
// No pass begins by itself: what is counted is what was asked for. The network is there for a pass that is asked for.
Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })

let db: Database<typeof schema>
let ids: readonly string[] = []

const items = () => db.tables.items
const id = (n: number) => ids[n] ?? ''

async function sync(): Promise<void> {
  const { error } = await db.sync()
  if (error !== null) throw new Error(error.message)
}

async function create(count: number): Promise<void> {
  ids = (await items().createMany(makeItems(count))).map(item => item.id)
}

/** Each can be counted; some are there to prepare others. */
const operations = {
  async open(): Promise<void> {
    db = await open({
      name: location.hash.slice(1),
      schema,
      remote: { url: '/api/sync', live: false },
      wasm: '/landfall_bg.wasm',
    })
    if (read().callsIntoWasm === 0) throw new Error('the engine was loaded in a way that is not counted')
  },
  sync,
  create: () => items().create(makeItem(1)),
  'create 1,000 separately': () => Promise.all(makeItems(1_000).map(item => items().create(item))),
  'create 100': () => create(100),
  'create 1,000': () => create(1_000),
  'create 5,000': () => create(5_000),
  async 'read all'(): Promise<void> {
    ids = (await items().query({})).map(item => item.id)
  },
  update: () => items().update(id(7), { status: 'blocked' }),
  'update 100': () => Promise.all(ids.slice(0, 100).map(one => items().update(one, { progress: 100 }))),
  delete: () => items().delete(id(8)),
  get: () => items().get(id(9)),
  query: () => items().query({ index: 'group_id', equals: 'group-3' }),
  'query again': () => items().query({ index: 'group_id', equals: 'group-4' }),
  /** What the engine does by itself in time. */
  upkeep: async () => letPass(60_000),
} satisfies Record<string, () => Promise<unknown>>

export type OperationName = keyof typeof operations

/** Carries out one operation, and waits until all that it set off is done, but for what waits for a timer. */
async function count(name: OperationName): Promise<Counts> {
  await settled(read())
  const before = read()
  await operations[name]()
  return settled(before)
}

declare global {
  var count: (name: OperationName) => Promise<Counts>
}
globalThis.count = count
