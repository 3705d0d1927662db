import { createIndexes, createStore, type Indexes, type Store } from 'tinybase'
import { createIndexedDbPersister, type IndexedDbPersister } from 'tinybase/persisters/persister-indexed-db'
import { mutationId, temporaryId } from '../../src/contestants/ids.js'
import { pendingFields } from '../../src/contestants/outbox.js'
import { post } from '../../src/contestants/post.js'
import { type Contestant, type DownloadPage, type PushRequest, pushBatch } from '../../src/page/contestant.js'
import type { Item, StoredItem } from '../../src/page/item.js'

type Mutation = PushRequest['mutations'][number]

const byGroup = 'byGroup'

export default function tinybase(): Contestant {
  let store: Store
  let persister: IndexedDbPersister
  /** Defined when it is first asked for, kept up from then on. */
  let indexes: Indexes | undefined

  const save = async (): Promise<void> => {
    await persister.save()
  }

  const record = (id: string): StoredItem => {
    const { version: _, ...item } = store.getRow('items', id)
    return { ...(item as unknown as Item), id }
  }

  const enqueue = (operation: 'create' | 'update', recordId: string, data: Partial<Item>): void => {
    store.setRow('outbox', mutationId(), { recordId, operation, data })
  }

  const outbox = (limit?: number): Mutation[] =>
    store
      .getRowIds('outbox')
      .slice(0, limit)
      .map(id => ({ ...(store.getRow('outbox', id) as unknown as Omit<Mutation, 'id'>), id }))

  const write = async (items: readonly Item[]): Promise<string> => {
    let id = ''
    store.transaction(() => {
      for (const item of items) {
        id = temporaryId()
        store.setRow('items', id, { ...item })
        enqueue('create', id, item)
      }
    })
    await save()
    return id
  }

  const apply = async (pages: readonly DownloadPage[]): Promise<void> => {
    const pending = pendingFields(outbox())
    store.transaction(() => {
      for (const { entities, cursor } of pages) {
        for (const { id, version, data } of entities)
          store.setRow('items', id, { ...data, ...pending.get(id), version })
        store.setValue('cursor', cursor)
      }
    })
    await save()
  }

  const indexed = (): Indexes => {
    indexes ??= createIndexes(store).setIndexDefinition(byGroup, 'items', 'group_id')
    return indexes
  }
  const group = (groupId: string): StoredItem[] => indexed().getSliceRowIds(byGroup, groupId).map(record)

  return {
    notes: [
      'It answers before anything is durable: each write, pull and push here saves, which rewrites the whole store, and waits.',
      'Its outbox is a second table of the same store.',
      'Of other tabs it would learn by reading the store again each second, which is not done here.',
    ],
    async open() {
      store = createStore()
      persister = createIndexedDbPersister(store, 'bench')
      indexes = undefined
      await persister.load()
    },
    async close() {
      await persister.destroy()
    },
    create: item => write([item]),
    async createSeparately(items) {
      await write(items)
    },
    async createMany(items) {
      await write(items)
    },
    pull: bodies => apply(bodies.map(body => JSON.parse(body) as DownloadPage)),
    apply,
    get: async id => (store.hasRow('items', id) ? record(id) : undefined),
    readAll: async () => store.getRowIds('items').map(record),
    queryGroup: async groupId => group(groupId),
    async updateField(ids, status) {
      store.transaction(() => {
        for (const id of ids) {
          store.setCell('items', id, 'status', status)
          enqueue('update', id, { status })
        }
      })
      await save()
    },
    async push(url) {
      for (;;) {
        const batch = outbox(pushBatch)
        if (batch.length === 0) return
        const results = await post(url, batch)
        store.transaction(() => {
          for (const { id, recordId, version } of results) {
            store.delRow('outbox', id)
            store.setCell('items', recordId, 'version', version)
          }
        })
        await save()
      }
    },
    queued: async () => store.getRowCount('outbox'),
    async subscribeGroup(groupId, changed) {
      const tell = (): void => changed(group(groupId))
      tell()
      let isStale = false
      const rows = store.addRowListener('items', null, (_, __, id, getCellChange) => {
        const [, before, after] = getCellChange?.('items', id, 'group_id') ?? []
        isStale ||= before === groupId || after === groupId
      })
      const transactions = store.addDidFinishTransactionListener(() => {
        if (!isStale) return
        isStale = false
        tell()
      })
      return () => {
        store.delListener(rows)
        store.delListener(transactions)
      }
    },
  }
}
