import type { Item } from './item.js'

/** IndexedDB by hand, for the two hand-written contestants. */
export function openDatabase(name: string, upgrade: (db: IDBDatabase) => void): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => upgrade(request.result)
  return result(request)
}

export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Durable: `complete`, not the last request's `success`, which may still be followed by an abort. */
export function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
  })
}

export interface Queued {
  readonly id: string
  readonly table: 'items'
  readonly recordId: string
  readonly operation: 'create'
  readonly data: Item
  readonly baseVersion: null
  readonly timestamp: number
  readonly priority: 'medium'
  readonly attempts: 0
}

export function queued(recordId: string, data: Item): Queued {
  return {
    id: mutationId(),
    table: 'items',
    recordId,
    operation: 'create',
    data,
    baseVersion: null,
    timestamp: Date.now(),
    priority: 'medium',
    attempts: 0,
  }
}

/** Random once, then counted: `crypto.randomUUID()` for each of 10,000 would cost as much as the floor's whole commit. */
const session = crypto.randomUUID().slice(0, 23)
let minted = 0
export function mutationId(): string {
  minted += 1
  return `${session}-${minted.toString(16).padStart(12, '0')}`
}

const startedAt = Date.now()
let born = 0
export function temporaryId(): string {
  born += 1
  return `temp_${startedAt}_${born.toString(36)}_items`
}
