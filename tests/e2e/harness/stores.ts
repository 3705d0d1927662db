import type { Page } from 'playwright-core'

export interface StoredText {
  readonly log: readonly string[]
  readonly segments: readonly string[]
  readonly manifest: readonly string[]
}

/** The text of every value in the engine's three stores, read beside the engine. */
export function storedText(page: Page): Promise<StoredText> {
  return page.evaluate(async () => {
    const result = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const texts = { log: [] as string[], segments: [] as string[], manifest: [] as string[] }
    for (const { name } of await indexedDB.databases()) {
      const db = await result(indexedDB.open(name ?? ''))
      for (const store of ['log', 'segments', 'manifest'] as const) {
        if (!db.objectStoreNames.contains(store)) continue
        const values = await result<unknown[]>(db.transaction(store).objectStore(store).getAll())
        texts[store].push(...values.map(value => JSON.stringify(value)))
      }
      db.close()
    }
    return texts
  })
}

/** How often the database was compacted: the newest generation in the manifest. */
export function generation(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const [database] = await indexedDB.databases()
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(database?.name ?? '')
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    const keys = await new Promise<IDBValidKey[]>((resolve, reject) => {
      const request = db.transaction('manifest').objectStore('manifest').getAllKeys()
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    db.close()
    return Math.max(0, ...keys.map(Number))
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
