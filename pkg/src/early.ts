/** What a start reads of the store first, as one transaction saw it: its manifest, its log, and the segments that are not of the app's tables. */
export interface Early {
  readonly manifest: unknown
  readonly segmentKeys: unknown[]
  readonly segments: unknown[]
  readonly keys: number[]
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
  return new Promise(resolve => {
    const nothing = () => resolve(undefined)
    setTimeout(nothing, TIMEOUT_MS)
    try {
      const request = indexedDB.open(`landfall:${[name, tenant, principal].map(encodeURIComponent).join(':')}`)
      request.onupgradeneeded = () => {
        // There is none. The engine will make it.
        request.transaction?.abort()
      }
      request.onerror = event => {
        event.preventDefault()
        nothing()
      }
      request.onsuccess = () => {
        const database = request.result
        const close = () => database.close()
        database.onversionchange = close
        // Whoever never asks for it, since the engine could not be opened, is not to keep it.
        setTimeout(close, TIMEOUT_MS)
        try {
          read(database, early => resolve({ ...early, close }), fail)
        } catch {
          fail()
        }
        function fail() {
          close()
          nothing()
        }
      }
    } catch {
      nothing()
    }
  })
}

/**
 * The engine's `src/log` knows these stores, and why a transaction is issued in one turn and committed in it. The manifest alone comes first: of the log
 * only what is not in the segments is wanted.
 */
function read(database: IDBDatabase, done: (early: Omit<Early, 'close'>) => void, failed: () => void): void {
  const look = database.transaction('manifest')
  const contents = look.objectStore('manifest').get(0)
  look.oncomplete = () => {
    try {
      readFrom(database, goesOnAt(contents.result), done, failed)
    } catch {
      failed()
    }
  }
  look.onabort = failed
  look.commit()
}

/** Where the log goes on after what is in the segments. */
function goesOnAt(manifest: unknown): number {
  const parsed: unknown = typeof manifest === 'string' ? JSON.parse(manifest) : undefined
  return Number((parsed as { through?: { k?: unknown } } | undefined)?.through?.k ?? 0)
}

function readFrom(
  database: IDBDatabase,
  from: number,
  done: (early: Omit<Early, 'close'>) => void,
  failed: () => void,
): void {
  const transaction = database.transaction(['log', 'segments', 'manifest'])
  const log = transaction.objectStore('log')
  const manifest = transaction.objectStore('manifest').get(0)
  // A segment's key begins with the name of its keyspace, and those of tables come after the engine's own.
  const own = IDBKeyRange.upperBound(['table:'], true)
  const segmentKeys = transaction.objectStore('segments').getAllKeys(own)
  const segments = transaction.objectStore('segments').getAll(own)
  const keys = log.getAllKeys(IDBKeyRange.lowerBound(from))
  const values = log.getAll(IDBKeyRange.lowerBound(from))
  transaction.oncomplete = () =>
    done({
      manifest: manifest.result,
      segmentKeys: segmentKeys.result,
      segments: segments.result,
      keys: keys.result as number[],
      values: values.result,
    })
  transaction.onabort = failed
  transaction.commit()
}
