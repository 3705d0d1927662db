import { type Contestant, type DownloadPage, pushBatch } from '../page/contestant.js'
import type { Item, StoredItem } from '../page/item.js'
import { done, openDatabase, result } from './idb.js'
import { temporaryId } from './ids.js'
import { type OutboxEntry, outboxEntry, pendingFields, sendEntries, type Stored } from './outbox.js'

/** IndexedDB as it is mostly used: a value for each record, another for its outbox entry, both put in one relaxed transaction. */
export default function raw(): Contestant {
  let db: IDBDatabase
  /** Live queries are asked anew after each write, here and in other tabs: the simplest that is right. */
  let written: BroadcastChannel
  const live = new Set<() => void>()

  const changed = (): void => {
    written.postMessage(null)
    for (const refresh of live) refresh()
  }

  const write = async (items: readonly Item[]): Promise<string> => {
    const transaction = db.transaction(['items', 'outbox'], 'readwrite', { durability: 'relaxed' })
    const records = transaction.objectStore('items')
    const outbox = transaction.objectStore('outbox')
    let id = ''
    for (const item of items) {
      id = temporaryId()
      const record = { ...item, id, version: null }
      records.put(record)
      outbox.put(outboxEntry(record, 'create', item))
    }
    await done(transaction)
    changed()
    return id
  }

  const apply = async (page: DownloadPage): Promise<void> => {
    const transaction = db.transaction(['items', 'outbox', 'cursors'], 'readwrite', { durability: 'relaxed' })
    const records = transaction.objectStore('items')
    // What is still queued stays on top of what the server has.
    const pending = pendingFields(await result<OutboxEntry[]>(transaction.objectStore('outbox').getAll()))
    for (const { id, version, data } of page.entities) records.put({ ...data, ...pending.get(id), id, version })
    transaction.objectStore('cursors').put(page.cursor, 'items')
    await done(transaction)
    changed()
  }

  const queryGroup = (groupId: string): Promise<StoredItem[]> =>
    result<StoredItem[]>(db.transaction('items').objectStore('items').index('group_id').getAll(groupId))

  return {
    async open() {
      db = await openDatabase('raw', created => {
        created.createObjectStore('items', { keyPath: 'id' }).createIndex('group_id', 'group_id')
        created.createObjectStore('outbox', { keyPath: 'id' })
        created.createObjectStore('cursors')
      })
      written = new BroadcastChannel('raw')
      written.onmessage = () => {
        for (const refresh of live) refresh()
      }
    },
    async close() {
      written.close()
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
    get: id => result<StoredItem | undefined>(db.transaction('items').objectStore('items').get(id)),
    readAll: () => result<StoredItem[]>(db.transaction('items').objectStore('items').getAll()),
    queryGroup,
    async updateField(ids, status) {
      const transaction = db.transaction(['items', 'outbox'], 'readwrite', { durability: 'relaxed' })
      const records = transaction.objectStore('items')
      const outbox = transaction.objectStore('outbox')
      for (const id of ids) {
        const request = records.get(id) as IDBRequest<Stored>
        request.onsuccess = () => {
          records.put({ ...request.result, status })
          outbox.put(outboxEntry(request.result, 'update', { status }))
        }
      }
      await done(transaction)
      changed()
    },
    async push(url) {
      for (;;) {
        const batch = await result<OutboxEntry[]>(
          db.transaction('outbox').objectStore('outbox').getAll(null, pushBatch),
        )
        if (batch.length === 0) return
        const results = await sendEntries(url, batch)
        const transaction = db.transaction(['items', 'outbox'], 'readwrite', { durability: 'relaxed' })
        const records = transaction.objectStore('items')
        const outbox = transaction.objectStore('outbox')
        for (const { id, recordId, version } of results) {
          outbox.delete(id)
          const request = records.get(recordId) as IDBRequest<Stored>
          request.onsuccess = () => records.put({ ...request.result, version })
        }
        await done(transaction)
      }
    },
    queued: () => result(db.transaction('outbox').objectStore('outbox').count()),
    async subscribeGroup(groupId, tell) {
      const refresh = async () => tell(await queryGroup(groupId))
      await refresh()
      live.add(refresh)
      return () => live.delete(refresh)
    },
  }
}
