import { Dexie, type EntityTable, liveQuery, type Table } from 'dexie'
import { temporaryId } from '../../src/contestants/ids.js'
import { type Contestant, type DownloadPage, pushBatch } from '../../src/page/contestant.js'
import type { Item } from '../../src/page/item.js'
import { type OutboxEntry, outboxEntry, pendingFields, sendEntries, type Stored } from '../../src/contestants/outbox.js'

class Bench extends Dexie {
  declare readonly items: EntityTable<Stored, 'id'>
  declare readonly outbox: EntityTable<OutboxEntry, 'id'>
  declare readonly cursors: Table<string, string>

  constructor() {
    super('bench', { chromeTransactionDurability: 'relaxed' })
    this.version(1).stores({ items: 'id, group_id', outbox: 'id', cursors: '' })
  }
}

export default function dexie(): Contestant {
  let db: Bench

  const write = (items: readonly Item[]): Promise<void> => {
    const records: Stored[] = []
    const entries: OutboxEntry[] = []
    for (const item of items) {
      const record = { ...item, id: temporaryId(), version: null }
      records.push(record)
      entries.push(outboxEntry(record, 'create', item))
    }
    return db.transaction('rw', db.items, db.outbox, async () => {
      await Promise.all([db.items.bulkPut(records), db.outbox.bulkPut(entries)])
    })
  }

  const apply = (page: DownloadPage): Promise<void> =>
    db.transaction('rw', db.items, db.outbox, db.cursors, async () => {
      const pending = pendingFields(await db.outbox.toArray())
      await Promise.all([
        db.items.bulkPut(page.entities.map(({ id, version, data }) => ({ ...data, ...pending.get(id), id, version }))),
        db.cursors.put(page.cursor, 'items'),
      ])
    })

  const group = (groupId: string): Promise<Stored[]> => db.items.where('group_id').equals(groupId).toArray()

  return {
    notes: ['Its outbox is a second table, written by hand in the same transaction, not that of its cloud service.'],
    async open() {
      db = new Bench()
      await db.open()
    },
    async close() {
      db.close()
    },
    async create(item) {
      const record = { ...item, id: temporaryId(), version: null }
      await db.transaction('rw', db.items, db.outbox, async () => {
        await Promise.all([db.items.put(record), db.outbox.put(outboxEntry(record, 'create', item))])
      })
      return record.id
    },
    createSeparately: write,
    createMany: write,
    async pull(bodies) {
      for (const body of bodies) await apply(JSON.parse(body) as DownloadPage)
    },
    async apply(pages) {
      for (const page of pages) await apply(page)
    },
    get: id => db.items.get(id),
    readAll: () => db.items.toArray(),
    queryGroup: group,
    async updateField(ids, status) {
      await db.transaction('rw', db.items, db.outbox, async () => {
        const records = (await db.items.bulkGet([...ids])).filter(record => record !== undefined)
        await Promise.all([
          db.items.bulkPut(records.map(record => ({ ...record, status }))),
          db.outbox.bulkPut(records.map(record => outboxEntry(record, 'update', { status }))),
        ])
      })
    },
    async push(url) {
      for (;;) {
        const batch = await db.outbox.limit(pushBatch).toArray()
        if (batch.length === 0) return
        const results = await sendEntries(url, batch)
        await db.transaction('rw', db.items, db.outbox, async () => {
          const records = await db.items.bulkGet(results.map(({ recordId }) => recordId))
          const settled = results.flatMap(({ version }, i) => {
            const record = records[i]
            return record === undefined ? [] : [{ ...record, version }]
          })
          await Promise.all([db.items.bulkPut(settled), db.outbox.bulkDelete(results.map(({ id }) => id))])
        })
      }
    },
    queued: () => db.outbox.count(),
    subscribeGroup: (groupId, changed) =>
      new Promise((resolve, reject) => {
        const subscription = liveQuery(() => group(groupId)).subscribe({
          next: items => {
            changed(items)
            resolve(() => subscription.unsubscribe())
          },
          error: reject,
        })
      }),
  }
}
