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
/** Of the records that were written or read last, also before this page was loaded anew. */
let ids = JSON.parse(sessionStorage.getItem('ids') ?? '[]') as readonly string[]

const items = () => db.tables.items
const id = (n: number) => ids[n] ?? ''

function remember(records: readonly { readonly id: string }[]): void {
  ids = records.map(record => record.id)
  sessionStorage.setItem('ids', JSON.stringify(ids))
}

async function sync(): Promise<void> {
  const { error } = await db.sync()
  if (error !== null) throw new Error(error.message)
}

async function create(count: number): Promise<void> {
  remember(await items().createMany(makeItems(count)))
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
    remember(await items().query({}))
  },
  update: () => items().update(id(7), { status: 'blocked' }),
  'update 100': () => Promise.all(ids.slice(0, 100).map(one => items().update(one, { progress: 100 }))),
  delete: () => items().delete(id(8)),
  async get(): Promise<void> {
    if ((await items().get(id(9))) === undefined) throw new Error('it is not there')
  },
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
