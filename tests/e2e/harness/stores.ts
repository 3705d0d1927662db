import type { Page } from 'playwright-core'

export interface StoredValue {
  readonly key: number | string
  /** The value as JSON. */
  readonly text: string
}

export interface Stores {
  readonly log: readonly StoredValue[]
  readonly segments: readonly StoredValue[]
  readonly manifest: readonly StoredValue[]
}

/** The engine's three stores as they lie in IndexedDB, read beside the engine. The origin has one database. */
export function readStores(page: Page): Promise<Stores> {
  return page.evaluate(async () => {
    const result = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const [database, ...others] = await indexedDB.databases()
    if (database?.name === undefined || others.length > 0) throw new Error('the origin should have one database')
    const db = await result(indexedDB.open(database.name))
    const transaction = db.transaction(['log', 'segments', 'manifest'])
    const read = async (name: string) => {
      const store = transaction.objectStore(name)
      const [keys, values] = await Promise.all([result(store.getAllKeys()), result<unknown[]>(store.getAll())])
      return keys.map((key, n) => ({
        key: typeof key === 'number' ? key : String(key),
        text: JSON.stringify(values[n]) ?? '',
      }))
    }
    const [log, segments, manifest] = await Promise.all([read('log'), read('segments'), read('manifest')])
    db.close()
    return { log, segments, manifest }
  })
}

/** How often the database was compacted: the newest generation in the manifest. */
export async function generation(page: Page): Promise<number> {
  const { manifest } = await readStores(page)
  return Math.max(0, ...manifest.map(({ key }) => Number(key)))
}

/** Whether anything but the id map's own rows holds a temporary id. */
export function holdsTemporaryIds({ log, segments }: Stores): boolean {
  return [...log, ...segments].some(({ text }) => {
    // What is stored is JSON text, which JSON quoted once more. A mapping is `{"i":{"i":"temp_…", …}}`.
    const inner = text.replaceAll('\\"', '"')
    return inner.replaceAll(/\{"i":\{"i":"temp_[^}]*\}\}/g, '').includes('temp_')
  })
}

/** Adds the newest entry once more: its predecessor is no longer the last, so it is void, as a lost race leaves it. */
export function addVoidEntry(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const [database] = await indexedDB.databases()
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(database?.name ?? '')
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    const transaction = db.transaction('log', 'readwrite')
    const log = transaction.objectStore('log')
    const cursor = log.openCursor(null, 'prev')
    cursor.onsuccess = () => {
      if (cursor.result !== null) log.add(cursor.result.value)
    }
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error)
    })
    db.close()
  })
}
