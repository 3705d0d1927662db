/** What a start reads of the store first, as one transaction saw it: its manifest, its log, and the segments that are not of the app's tables. */
export interface Early {
  readonly manifest: unknown
  readonly segmentKeys: unknown[]
  readonly segments: unknown[]
  readonly keys: unknown[]
  readonly values: unknown[]
  /** Closes the connection by which it was read. Until then the next one is opened at once. */
  close(): void
}

/** Longer than any reading of a log takes: who waits for this one would have to wait for the engine's own. */
const TIMEOUT_MS = 5_000

/**
 * Begins to read a database while the engine that will read it is still being loaded: waking the browser's store and reading the log take about as long
 * as loading the engine does. `undefined` where there is nothing to read, or not now: the engine then does it by itself, and says what is wrong.
 */
export function readEarly(name: string, tenant: string, principal: string): Promise<Early | undefined> {
  const late = new Promise<undefined>(resolve => setTimeout(resolve, TIMEOUT_MS, undefined))
  const database = `landfall:${[name, tenant, principal].map(encodeURIComponent).join(':')}`
  return Promise.race([read(database).catch(() => undefined), late])
}

/** The engine's `src/log` knows these stores, and why a transaction is issued in one turn and committed in it. */
async function read(name: string): Promise<Early> {
  const opening = indexedDB.open(name)
  // There is none: the engine will make it.
  opening.onupgradeneeded = () => opening.transaction?.abort()
  const database = await result(opening)
  const close = () => database.close()
  database.onversionchange = close
  // Whoever never asks for it, since the engine could not be opened, is not to keep it.
  setTimeout(close, TIMEOUT_MS)

  // The manifest alone first: of the log only what is not in the segments is wanted.
  const look = database.transaction('manifest')
  const contents = result(look.objectStore('manifest').get(0))
  look.commit()
  const goesOn = IDBKeyRange.lowerBound(lastCompacted(await contents), true)
  // A segment's key begins with the name of its keyspace, and those of tables come after the engine's own.
  const own = IDBKeyRange.upperBound(['table:'], true)
  const transaction = database.transaction(['log', 'segments', 'manifest'])
  const [log, segments] = [transaction.objectStore('log'), transaction.objectStore('segments')]
  const all = Promise.all([
    result(transaction.objectStore('manifest').get(0)),
    result(segments.getAllKeys(own)),
    result(segments.getAll(own)),
    result(log.getAllKeys(goesOn)),
    result(log.getAll(goesOn)),
  ])
  transaction.commit()
  const [manifest, segmentKeys, segmentValues, keys, values] = await all
  return { manifest, segmentKeys, segments: segmentValues, keys, values, close }
}

/** Not when the transaction is complete: Chromium may say so before it has handed out a large value. */
function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = event => {
      event.preventDefault()
      reject(request.error)
    }
  })
}

/** The last entry that is in the segments: it may be as large as all of them. */
function lastCompacted(manifest: unknown): number {
  const parsed: unknown = typeof manifest === 'string' ? JSON.parse(manifest) : undefined
  return Number((parsed as { through?: { k?: unknown } } | undefined)?.through?.k ?? 0)
}
