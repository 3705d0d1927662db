import { type CollectionConfig } from '@tanstack/db'
import type { StorageAdapter } from '@tanstack/offline-transactions'
import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { DownloadPage } from '../../src/page/contestant.js'
import type { Stored } from '../../src/contestants/outbox.js'

interface Schema extends DBSchema {
  items: { key: string; value: Stored }
  cursors: { key: string; value: string }
  outbox: { key: string; value: string }
}

const relaxed = { durability: 'relaxed' } as const

export type Storage = IDBPDatabase<Schema>

export function openStorage(): Promise<Storage> {
  return openDB<Schema>('bench', 1, {
    upgrade(created) {
      created.createObjectStore('items', { keyPath: 'id' })
      created.createObjectStore('cursors')
      created.createObjectStore('outbox')
    },
  })
}

/**
 * Keeps its outbox. Its own adapter for IndexedDB answers at a request's `success`; this one at the transaction's `complete`,
 * and it tells when an entry was written or the last one deleted, which an executor that is offline does not.
 */
export class Outbox implements StorageAdapter {
  readonly #written = new Map<string, () => void>()
  #emptied: (() => void) | undefined

  constructor(readonly db: Storage) {}

  get = async (key: string): Promise<string | null> => (await this.db.get('outbox', key)) ?? null
  keys = (): Promise<string[]> => this.db.getAllKeys('outbox')
  clear = (): Promise<void> => this.db.clear('outbox')

  set = async (key: string, value: string): Promise<void> => {
    const transaction = this.db.transaction('outbox', 'readwrite', relaxed)
    await Promise.all([transaction.store.put(value, key), transaction.done])
    this.#written.get(key)?.()
    this.#written.delete(key)
  }

  delete = async (key: string): Promise<void> => {
    const transaction = this.db.transaction('outbox', 'readwrite', relaxed)
    const [, left] = await Promise.all([transaction.store.delete(key), transaction.store.count(), transaction.done])
    if (left === 0) this.#emptied?.()
  }

  written(transactionId: string): Promise<void> {
    return new Promise(resolve => this.#written.set(`tx:${transactionId}`, resolve))
  }

  emptied(): Promise<void> {
    return new Promise(resolve => {
      this.#emptied = resolve
    })
  }
}

/** What the server has: records in IndexedDB, one to a key, all of them read into the collection when it starts. */
export class Synced {
  #begin!: (options?: { immediate?: boolean }) => void
  #write!: (record: Stored) => void
  #commit!: () => void

  constructor(readonly db: Storage) {}

  options(): CollectionConfig<Stored, string> {
    return {
      id: 'items',
      getKey: ({ id }) => id,
      sync: {
        rowUpdateMode: 'full',
        sync: ({ begin, write, commit, markReady, markError }) => {
          this.#begin = begin
          this.#write = value => write({ type: 'update', value })
          this.#commit = commit
          this.db.getAll('items').then(records => {
            begin()
            for (const value of records) write({ type: 'insert', value })
            commit()
            markReady()
          }, markError)
        },
      },
    }
  }

  async apply({ entities, cursor }: DownloadPage): Promise<void> {
    await this.put(
      entities.map(({ id, version, data }) => ({ ...data, id, version })),
      cursor,
    )
  }

  async put(records: readonly Stored[], cursor?: string): Promise<void> {
    const transaction = this.db.transaction(['items', 'cursors'], 'readwrite', relaxed)
    const store = transaction.objectStore('items')
    await Promise.all([
      ...records.map(record => store.put(record)),
      cursor !== undefined && transaction.objectStore('cursors').put(cursor, 'items'),
      transaction.done,
    ])
    // At once, though there are transactions which wait to be sent: these stay on top.
    this.#begin({ immediate: true })
    for (const record of records) this.#write(record)
    this.#commit()
  }
}
