// Glue between Landfall and React, over `useSyncExternalStore` and nothing else. What is read is shared: two components
// that ask the same question share one live query, which outlives them for a moment so that going back is instant.
import type {
  ActivityLine,
  Conflict,
  ConflictFilter,
  ConflictStats,
  Health,
  Mutation,
  Progress,
  Query,
  Story,
  SyncState,
} from 'landfall'
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import type { Database } from './database'
import { currentId, renamed } from './identity'
import type { Row, TableName } from './schema'

const LINGER_MS = 30_000

const DatabaseContext = createContext<Database | null>(null)
export const DatabaseProvider = DatabaseContext.Provider

export function useDatabase(): Database {
  const db = useContext(DatabaseContext)
  if (!db) throw new Error('useDatabase is called outside of DatabaseProvider')
  return db
}

type Listener = () => void

/** A value that is produced while somebody looks at it. */
abstract class Source<T> {
  #value: T
  readonly #listeners = new Set<Listener>()
  #stop: (() => void) | undefined
  #lingering: ReturnType<typeof setTimeout> | undefined

  constructor(initial: T) {
    this.#value = initial
  }

  protected abstract start(): () => void

  protected publish(value: T): void {
    this.#value = value
    for (const listener of this.#listeners) listener()
  }

  readonly snapshot = (): T => this.#value

  readonly subscribe = (listener: Listener): (() => void) => {
    clearTimeout(this.#lingering)
    this.#listeners.add(listener)
    this.#stop ??= this.start()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) {
        this.#lingering = setTimeout(() => {
          this.#stop?.()
          this.#stop = undefined
        }, LINGER_MS)
      }
    }
  }
}

interface Result<T extends TableName> {
  /** `undefined` until the first answer. */
  readonly rows: readonly Row<T>[] | undefined
  readonly error: unknown
}

/** The part of a table that reading needs. A union of four table types cannot be called; this can. */
interface Readable<T extends TableName> {
  get(id: string): Promise<Row<T> | undefined>
  subscribe(query: Query, next: (rows: readonly Row<T>[]) => void, failed: (error: unknown) => void): () => void
}

function tableOf<T extends TableName>(db: Database, name: T): Readable<T> {
  return db.tables[name] as unknown as Readable<T>
}

class LiveQuery<T extends TableName> extends Source<Result<T>> {
  readonly #table: Readable<T>
  readonly #query: Query
  #turn = 0

  constructor(table: Readable<T>, query: Query) {
    super({ rows: undefined, error: undefined })
    this.#table = table
    this.#query = query
  }

  protected start(): () => void {
    return this.#table.subscribe(
      this.#query,
      rows => void this.#receive(rows),
      error => this.publish({ rows: this.snapshot().rows, error }),
    )
  }

  /** Shows new rows once it is known which of them are old ones under their server ids. */
  async #receive(rows: readonly Row<T>[]): Promise<void> {
    const turn = ++this.#turn
    const present = new Set(rows.map(row => row.id))
    const gone = (this.snapshot().rows ?? []).filter(row => row._version === null && !present.has(row.id))
    if (gone.length > 0) await Promise.all(gone.map(row => learn(this.#table, row.id)))
    if (turn === this.#turn) this.publish({ rows, error: undefined })
  }
}

async function learn<T extends TableName>(table: Readable<T>, id: string): Promise<void> {
  const row = await table.get(id)
  if (row && row.id !== id) renamed(id, row.id)
}

const queries = new WeakMap<Database, Map<string, LiveQuery<TableName>>>()

function liveQuery<T extends TableName>(db: Database, name: T, query: Query): LiveQuery<T> {
  let known = queries.get(db)
  if (!known) queries.set(db, (known = new Map()))
  const key = `${name} ${JSON.stringify(query)}`
  let live = known.get(key) as LiveQuery<T> | undefined
  if (!live) {
    live = new LiveQuery(tableOf(db, name), query)
    known.set(key, live as unknown as LiveQuery<TableName>)
  }
  return live
}

const EVERYTHING: Query = {}

/**
 * The rows that answer `query`, now and after each change; `undefined` until the first answer.
 * While a changed query has no answer yet, the rows of the one before are kept: nothing blinks when a parent gets its
 * server id. Give components a `key` where the old rows would be wrong.
 */
export function useLive<T extends TableName>(name: T, query: Query = EVERYTHING): readonly Row<T>[] | undefined {
  const live = liveQuery(useDatabase(), name, query)
  const { rows, error } = useSyncExternalStore(live.subscribe, live.snapshot)
  const kept = useRef(rows)
  if (error) throw error
  if (rows) kept.current = rows
  return rows ?? kept.current
}

const indexes = new WeakMap<readonly { readonly id: string }[], ReadonlyMap<string, { readonly id: string }>>()

/** Rows by id, computed once for each answer. */
export function byId<R extends { readonly id: string }>(rows: readonly R[]): ReadonlyMap<string, R> {
  let index = indexes.get(rows) as ReadonlyMap<string, R> | undefined
  if (!index) indexes.set(rows, (index = new Map(rows.map(row => [row.id, row]))))
  return index
}

/** One record, also under an id that it has had before. `undefined` is "not known yet", `null` is "there is none". */
export function useRecord<T extends TableName>(name: T, id: string | null): Row<T> | null | undefined {
  const db = useDatabase()
  const rows = useLive(name)
  const found = id !== null && rows ? (byId(rows).get(id) ?? byId(rows).get(currentId(id))) : undefined
  const missing = id !== null && rows !== undefined && found === undefined
  const [asked, setAsked] = useState<string>()
  useEffect(() => {
    if (!missing || id === null) return
    let wanted = true
    learn(tableOf(db, name), id).finally(() => wanted && setAsked(id))
    return () => {
      wanted = false
    }
  }, [db, name, id, missing])
  if (found) return found
  return missing && asked === id ? null : undefined
}

export function useSyncState(): SyncState {
  const db = useDatabase()
  const subscribe = useCallback((listener: Listener) => db.on('state', listener), [db])
  return useSyncExternalStore(subscribe, () => db.state())
}

class ProgressSource extends Source<Progress | null> {
  readonly #db: Database

  constructor(db: Database) {
    super(null)
    this.#db = db
  }

  protected start(): () => void {
    const stops = [
      this.#db.on('progress', progress => this.publish(progress)),
      this.#db.on('state', state => state.phase === 'idle' && this.snapshot() && this.publish(null)),
    ]
    return () => stops.forEach(stop => stop())
  }
}

/** Something that is asked for again whenever sync or a record stands otherwise, and every `everyMs`. */
class Reading<T> extends Source<T | undefined> {
  readonly #db: Database
  readonly #ask: () => Promise<T>
  readonly #everyMs: number | undefined
  #reading = false
  #again = false

  constructor(db: Database, ask: () => Promise<T>, everyMs?: number) {
    super(undefined)
    this.#db = db
    this.#ask = ask
    this.#everyMs = everyMs
  }

  protected start(): () => void {
    const read = () => void this.#read()
    read()
    const stops = [this.#db.on('state', read), this.#db.on('change', read), this.#db.on('conflict', read)]
    const timer = this.#everyMs === undefined ? undefined : setInterval(read, this.#everyMs)
    return () => {
      stops.forEach(stop => stop())
      clearInterval(timer)
    }
  }

  /** Changes come in bursts: one reading at a time, and one more when something changed meanwhile. */
  async #read(): Promise<void> {
    this.#again = true
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#again) {
        this.#again = false
        this.publish(await this.#ask())
      }
    } catch {
      // What cannot be read now is said by what the person does next; here the last answer stays.
    } finally {
      this.#reading = false
    }
  }
}

function perDatabase<S>(make: (db: Database) => S): (db: Database) => S {
  const made = new WeakMap<Database, S>()
  return db => {
    let one = made.get(db)
    if (!one) made.set(db, (one = make(db)))
    return one
  }
}

const progressOf = perDatabase(db => new ProgressSource(db))
const outboxOf = perDatabase(db => new Reading(db, () => db.outbox.list()))
// It gets worse by the mere passing of time.
const healthOf = perDatabase(db => new Reading(db, () => db.health(), 20_000))
const activityOf = perDatabase(db => new Reading(db, () => db.activity({ limit: 30 })))
const conflictStatsOf = perDatabase(db => new Reading(db, () => db.conflicts.stats()))

/** How far the running pass is, or `null` when none runs. */
export function useProgress(): Progress | null {
  const source = progressOf(useDatabase())
  return useSyncExternalStore(source.subscribe, source.snapshot)
}

function useReading<T>(source: Reading<T>): T | undefined {
  return useSyncExternalStore(source.subscribe, source.snapshot)
}

/** What waits to be sent or decided; `undefined` until it is first read. */
export function useOutbox(): readonly Mutation[] | undefined {
  return useReading(outboxOf(useDatabase()))
}

/** Whether sync is well; `undefined` until it is first read. */
export function useHealth(): Health | undefined {
  return useReading(healthOf(useDatabase()))
}

/** What sync did, newest first; `undefined` until it is first read. */
export function useActivity(): readonly ActivityLine[] | undefined {
  return useReading(activityOf(useDatabase()))
}

/** Why a record stands where it stands; `undefined` until it is first read. */
export function useStory(table: TableName, id: string): Story | undefined {
  const db = useDatabase()
  return useReading(useMemo(() => new Reading(db, () => db.explain(table, id)), [db, table, id]))
}

/** How many conflicts there are, of which kinds; `undefined` until they are first counted. */
export function useConflictStats(): ConflictStats | undefined {
  return useReading(conflictStatsOf(useDatabase()))
}

/** The newest conflicts: those that are open, or those that are not; `undefined` until they are first read. */
export function useConflicts(which: 'open' | 'ended', limit: number): readonly Conflict[] | undefined {
  const db = useDatabase()
  const reading = useMemo(
    () =>
      new Reading(db, async () => {
        const states = which === 'open' ? (['open'] as const) : (['settled', 'undone'] as const)
        const pages = await Promise.all(states.map(state => db.conflicts.list({ state, limit })))
        return pages
          .flatMap(page => page.conflicts)
          .sort((a, b) => b.foundAt - a.foundAt)
          .slice(0, limit)
      }),
    [db, which, limit],
  )
  return useReading(reading)
}

/** One conflict; `null`: there is none of that id; `undefined` until it is first read. */
export function useConflict(id: string): Conflict | null | undefined {
  const db = useDatabase()
  return useReading(useMemo(() => new Reading(db, () => db.conflicts.get(id)), [db, id]))
}

/** How many open ones a filter has. */
export function useConflictCount(filter: ConflictFilter): number {
  const db = useDatabase()
  const key = JSON.stringify(filter)
  const reading = useMemo(
    () =>
      new Reading(db, async () => {
        const { total } = await db.conflicts.list({ ...(JSON.parse(key) as ConflictFilter), state: 'open', limit: 0 })
        return total
      }),
    [db, key],
  )
  return useReading(reading) ?? 0
}
