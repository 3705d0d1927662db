import { type Database, open } from 'landfall'
import { schema } from '../../../tests/e2e/site/budgets/item.js'
import type { Contestant } from '../page/contestant.js'
import { installNetwork } from './network.js'

const network = installNetwork()

/** The real package, as an app would import it. */
export default function landfall(): Contestant {
  let db: Database<typeof schema>

  const sync = async (): Promise<void> => {
    const { error } = await db.sync()
    if (error !== null) throw new Error(`the pass ended early: ${error.code}: ${error.message}`)
  }

  return {
    async open() {
      db = await open({ name: 'bench', schema, remote: { url: '/api/sync', live: false } })
    },
    close: () => db.close(),
    async create(item) {
      return (await db.tables.items.create(item)).id
    },
    async createSeparately(items) {
      await Promise.all(items.map(item => db.tables.items.create(item)))
    },
    async createMany(items) {
      await db.tables.items.createMany(items)
    },
    async pull(bodies) {
      // A pass that cannot push what is queued says so, and pulls all the same.
      const left = await network.playing(bodies, async () => void (await db.sync()))
      if (left > 0) throw new Error(`${left} pages were not asked for`)
    },
    get: id => db.tables.items.get(id),
    readAll: () => db.tables.items.query({}),
    queryGroup: groupId => db.tables.items.query({ index: 'group_id', equals: groupId }),
    async updateField(ids, status) {
      await Promise.all(ids.map(id => db.tables.items.update(id, { status })))
    },
    push: () => network.connected(sync),
    queued: async () => (await db.outbox.list()).length,
    subscribeGroup: (groupId, changed) =>
      new Promise((resolve, reject) => {
        let isTold = false
        const stop = db.tables.items.subscribe(
          { index: 'group_id', equals: groupId },
          items => {
            changed(items)
            if (isTold) return
            isTold = true
            queueMicrotask(() => resolve(stop))
          },
          reject,
        )
      }),
  }
}
