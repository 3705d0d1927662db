import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import { temporaryId } from '../../src/contestants/ids.js'
import { type Contestant, type DownloadPage, pushBatch } from '../../src/page/contestant.js'
import type { Item } from '../../src/page/item.js'
import { type OutboxEntry, outboxEntry, pendingFields, sendEntries, type Stored } from '../../src/contestants/outbox.js'

interface Schema extends DBSchema {
  items: { key: string; value: Stored; indexes: { group_id: string } }
  outbox: { key: string; value: OutboxEntry }
  cursors: { key: string; value: string }
}

const relaxed = { durability: 'relaxed' } as const

export default function idb(): Contestant {
  let db: IDBPDatabase<Schema>

  const write = async (items: readonly Item[]): Promise<string> => {
    const transaction = db.transaction(['items', 'outbox'], 'readwrite', relaxed)
    const records = transaction.objectStore('items')
    const outbox = transaction.objectStore('outbox')
    const requests: Promise<unknown>[] = []
    let id = ''
    for (const item of items) {
      id = temporaryId()
      const record = { ...item, id, version: null }
      requests.push(records.put(record), outbox.put(outboxEntry(record, 'create', item)))
    }
    await Promise.all([...requests, transaction.done])
    return id
  }

  const apply = async (page: DownloadPage): Promise<void> => {
    const transaction = db.transaction(['items', 'outbox', 'cursors'], 'readwrite', relaxed)
    const records = transaction.objectStore('items')
    const pending = pendingFields(await transaction.objectStore('outbox').getAll())
    await Promise.all([
      ...page.entities.map(({ id, version, data }) => records.put({ ...data, ...pending.get(id), id, version })),
      transaction.objectStore('cursors').put(page.cursor, 'items'),
      transaction.done,
    ])
  }

  return {
    notes: ['Its outbox is a second store, written by hand in the same transaction.'],
    async open() {
      db = await openDB<Schema>('bench', 1, {
        upgrade(created) {
          created.createObjectStore('items', { keyPath: 'id' }).createIndex('group_id', 'group_id')
          created.createObjectStore('outbox', { keyPath: 'id' })
          created.createObjectStore('cursors')
        },
      })
    },
    async close() {
      db.close()
    },
    create: item => write([item]),
    async createSeparately(items) {
      await write(items)
    },
    async createMany(items) {
      await write(items)
    },
    async pull(bodies) {
      for (const body of bodies) await apply(JSON.parse(body) as DownloadPage)
    },
    async apply(pages) {
      for (const page of pages) await apply(page)
    },
    get: id => db.get('items', id),
    readAll: () => db.getAll('items'),
    queryGroup: groupId => db.getAllFromIndex('items', 'group_id', groupId),
    async updateField(ids, status) {
      const transaction = db.transaction(['items', 'outbox'], 'readwrite', relaxed)
      const records = transaction.objectStore('items')
      const outbox = transaction.objectStore('outbox')
      const update = async (id: string): Promise<void> => {
        const record = await records.get(id)
        if (record === undefined) throw new Error(`there is no ${id} to change`)
        await Promise.all([records.put({ ...record, status }), outbox.put(outboxEntry(record, 'update', { status }))])
      }
      await Promise.all([...ids.map(update), transaction.done])
    },
    async push(url) {
      for (;;) {
        const batch = await db.getAll('outbox', null, pushBatch)
        if (batch.length === 0) return
        const results = await sendEntries(url, batch)
        const transaction = db.transaction(['items', 'outbox'], 'readwrite', relaxed)
        const records = transaction.objectStore('items')
        const outbox = transaction.objectStore('outbox')
        const settle = async ({ id, recordId, version }: (typeof results)[number]): Promise<void> => {
          const [record] = await Promise.all([records.get(recordId), outbox.delete(id)])
          if (record !== undefined) await records.put({ ...record, version })
        }
        await Promise.all([...results.map(settle), transaction.done])
      }
    },
    queued: () => db.count('outbox'),
  }
}
