import type { Contestant, DownloadPage } from './contestant.js'
import { done, openDatabase, queued, result, temporaryId } from './idb.js'
import type { Item, StoredItem } from './item.js'

/** IndexedDB as it is mostly used: a value for each record, another for its outbox entry, both put in one relaxed transaction. */
export function raw(): Contestant {
  let db: IDBDatabase

  const write = (items: readonly Item[]): Promise<void> => {
    const transaction = db.transaction(['items', 'outbox'], 'readwrite', { durability: 'relaxed' })
    const records = transaction.objectStore('items')
    const outbox = transaction.objectStore('outbox')
    for (const item of items) {
      const id = temporaryId()
      records.put({ ...item, id, version: null })
      outbox.put(queued(id, item))
    }
    return done(transaction)
  }

  const apply = async (page: DownloadPage): Promise<void> => {
    const transaction = db.transaction(['items', 'cursors'], 'readwrite', { durability: 'relaxed' })
    const records = transaction.objectStore('items')
    for (const { id, version, data } of page.entities) records.put({ ...data, id, version })
    transaction.objectStore('cursors').put(page.cursor, 'items')
    await done(transaction)
  }

  return {
    async open() {
      db = await openDatabase('raw', created => {
        created.createObjectStore('items', { keyPath: 'id' }).createIndex('group_id', 'group_id')
        created.createObjectStore('outbox', { keyPath: 'id' })
        created.createObjectStore('cursors')
      })
    },
    create: item => write([item]),
    createSeparately: write,
    createMany: write,
    async pull(bodies) {
      for (const body of bodies) await apply(JSON.parse(body) as DownloadPage)
    },
    async apply(pages) {
      for (const page of pages) await apply(page)
    },
    get: id => result<StoredItem | undefined>(db.transaction('items').objectStore('items').get(id)),
    readAll: () => result<StoredItem[]>(db.transaction('items').objectStore('items').getAll()),
    queryGroup: groupId =>
      result<StoredItem[]>(db.transaction('items').objectStore('items').index('group_id').getAll(groupId)),
  }
}
