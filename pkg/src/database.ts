import { list, text, whole, words } from './arguments.js'
import { type Conflict, type Conflicts, conflictsOf, type MergeFunction } from './conflicts.js'
import { readEarly } from './early.js'
import { loadEngine } from './engine.js'
import { fromEngine, landfallError } from './errors.js'
import { Listeners } from './events.js'
import { type Locks, locksOf } from './locks.js'
import { type Outbox, outboxOf } from './outbox.js'
import { askForPeriodicSync } from './periodic.js'
import type { ActivityLine, Health, Integrity, OrphanStrategy, Story } from './reports.js'
import type { FieldsOf, RollupsOf, ScopeName, TableName } from './schema.js'
import { Session } from './session.js'
import { Table } from './table.js'
import { tagPrefix } from './tag.js'
import type { EventMap, Mutation, SchemaDocument, SyncResult, SyncState } from './types.js'
import type { ClientObserver } from './wasm/landfall.js'
import { wasmLocation } from './wasm-location.js'

/** The sync server. */
export interface RemoteOptions {
  /** Where `upload` and `download` lie: `/api/sync`. A relative address is resolved against the page or the worker. */
  readonly url: string
  /** The bearer token; asked for before every request, so that it may be renewed. `''` for none. */
  readonly token?: () => string | Promise<string>
  /**
   * Whether this page listens to the server's event stream, so that others' changes and edit locks are known at once
   * (true, if absent). Only while there is a network and the page is looked at; one page listens for all of a browser.
   */
  readonly live?: boolean
}

export interface OpenOptions<S extends SchemaDocument> {
  /** The database's name in this origin, the same in every page and worker of the app. */
  readonly name: string
  readonly schema: S
  /** Without one nothing is ever sent: a local database. */
  readonly remote?: RemoteOptions
  /** Whose data it is. Each tenant and principal has a database of its own; `default` where there is only one. */
  readonly tenant?: string
  /** Who is signed in. */
  readonly principal?: string
  /**
   * The scope of the schema that is pulled of all tables, whatever the schema says of each. What is not in it leaves this
   * device, but for what is not delivered yet. The service worker of the app must be told the same.
   */
  readonly scope?: ScopeName<S>
  /** The functions that the schema's rules name (`{ function: 'name' }`). */
  readonly functions?: Readonly<Record<string, MergeFunction>>
  /** Where the engine's `.wasm` lies, if not beside this package's own files. The first call's counts. */
  readonly wasm?: string | URL
}

/** The tables of a database, by name. */
export type TablesOf<S extends SchemaDocument> = {
  readonly [T in TableName<S>]: Table<FieldsOf<S, T>, RollupsOf<S, T>>
}

/** One open database. Any number of pages and workers may have the same one open. */
export interface Database<S extends SchemaDocument = SchemaDocument> {
  readonly name: string
  readonly tables: TablesOf<S>
  readonly outbox: Outbox
  readonly conflicts: Conflicts
  /** Who edits what, so that two people do not begin the same work: advice, and never a hindrance. */
  readonly locks: Locks<TableName<S>>
  /**
   * Sends and fetches now, without waiting for a backoff; after a pass that is under way, if there is one. Resolves also
   * when the pass ended early: `error` then says why. Rejects with `no-remote` or `closed`.
   */
  sync(): Promise<SyncResult>
  /** How sync stands: the same frozen object until it stands differently. */
  state(): SyncState
  /**
   * Whether sync is well, and if not, why: what is stuck, held or waits for a decision. Told truly in every context, also
   * in one that never syncs. Rejects with `closed`.
   */
  health(): Promise<Health>
  /**
   * What sync did and why, newest first: at most `limit` lines (100) of the 500 that are kept. Rejects with `invalid-value`
   * for a limit that is no whole number, `storage-unavailable`, `outdated`, `corrupt` or `closed`.
   */
  activity(options?: { readonly limit?: number }): Promise<readonly ActivityLine[]>
  /**
   * A record's story, under any id that it ever had here: what the server has, what is not settled and what each change waits
   * for, what happened, and what happens next. Rejects with `unknown-table`, and with `record-not-found` for an id of which
   * nothing is known, not even that it was deleted.
   */
  explain(table: TableName<S>, id: string): Promise<Story>
  /**
   * Looks whether everything that is referred to is there: a report, and no change. It loads all tables, in a time that is linear in
   * their records. Rejects with `storage-unavailable`, `outdated`, `corrupt` or `closed`.
   */
  integrity(): Promise<Integrity>
  /**
   * Does something about records whose parent is not here: about these, or about all that nobody has decided about. What is
   * no orphan any more is passed over. Resolves with how many references that were.
   *
   * - `delete`: the record is deleted, with what refers to it as the schema says, and the server is told
   * - `keep`: it stays as it is and is reported no more, until it refers to another parent
   * - `queue`: it waits for its parent, whose table is pulled from the beginning by the next pass
   *
   * Rejects with `invalid-value`, `reference-in-use`, `quota-exceeded`, `storage-unavailable`, `outdated`.
   */
  resolveOrphans(
    strategy: OrphanStrategy,
    orphans?: readonly { readonly table: string; readonly id: string }[],
  ): Promise<number>
  /** Listens to an event; the returned function stops. A listener that throws is reported as uncaught. */
  on<K extends keyof EventMap>(event: K, listener: (event: EventMap[K]) => void): () => void
  readonly debug: {
    /** Everything that is stored, as text: equal text, equal state. For tests and support, not to be parsed. */
    fold(): Promise<string>
  }
  /** Ends passes, waits for the writes that were begun, and closes. Later calls reject with `closed`. */
  close(): Promise<void>
}

/**
 * Opens a database, and makes it if there is none.
 *
 * Rejects with `invalid-schema` and the path, `invalid-value` and the option, `unknown-scope`, `storage-unavailable`, `outdated`, or
 * `engine-unavailable` if the engine cannot be loaded.
 */
export async function open<const S extends SchemaDocument>(options: OpenOptions<S>): Promise<Database<S>> {
  const { schema, wasm, functions } = options
  const name = words(options.name, 'name')
  const tenant = words(options.tenant ?? 'default', 'tenant')
  const principal = words(options.principal ?? 'default', 'principal')
  const scope = options.scope === undefined ? undefined : words(options.scope, 'scope')
  const url = options.remote && words(options.remote.url, 'remote.url')
  const early = readEarly(name, tenant, principal)
  const engine = await loadEngine(() => wasm ?? wasmLocation())
  if (engine.death !== undefined) throw engine.death

  const listeners = new Listeners<EventMap>()
  let isOutdated = false
  const observer: ClientObserver = {
    state: told => {
      const state = told as SyncState
      listeners.tell('state', state)
      if (state.outdated !== null && !isOutdated) {
        isOutdated = true
        listeners.tell('outdated', state.outdated)
      }
    },
    progress: progress => listeners.tell('progress', progress as EventMap['progress']),
    change: (table, ids) => listeners.tell('change', Object.freeze({ table, ids: Object.freeze(ids) })),
    parked: parked => {
      const mutation = parked as Mutation
      if (mutation.state === 'rejected') listeners.tell('rejected', mutation)
    },
    conflict: conflict => listeners.tell('conflict', conflict as Conflict),
    lock: lock => listeners.tell('lock', lock as EventMap['lock']),
    remoteChange: change => listeners.tell('remote-change', change as EventMap['remote-change']),
  }
  const token = options.remote?.token
  const live = options.remote?.live ?? true
  const client = await engine
    .open({ name, tenant, principal, schema, scope, url, token, observer, early, functions, selfDriven: true, live })
    .catch((thrown: unknown) => {
      throw fromEngine(engine.examine(thrown))
    })
  if (url !== undefined) void askForPeriodicSync(client.syncTag(), tagPrefix(name))
  return new OpenDatabase<S>(name, schema, new Session(engine, client), listeners, url !== undefined)
}

class OpenDatabase<S extends SchemaDocument> implements Database<S> {
  readonly name: string
  readonly tables: TablesOf<S>
  readonly outbox: Outbox
  readonly conflicts: Conflicts
  readonly locks: Locks<TableName<S>>
  readonly debug: Database['debug']
  readonly #session: Session
  readonly #listeners: Listeners<EventMap>
  readonly #hasRemote: boolean
  #lastState: SyncState

  constructor(name: string, schema: S, session: Session, listeners: Listeners<EventMap>, hasRemote: boolean) {
    this.name = name
    this.#session = session
    this.#listeners = listeners
    this.#hasRemote = hasRemote
    this.tables = tablesOf(schema, session)
    this.outbox = outboxOf(session)
    this.conflicts = conflictsOf(session)
    this.locks = locksOf(session)
    this.debug = Object.freeze({ fold: () => session.call<string>(client => client.fold()) })
    this.#lastState = this.state()
    listeners.add('state', state => {
      this.#lastState = state
    })
  }

  sync(): Promise<SyncResult> {
    if (this.#hasRemote) return this.#session.pass(client => client.sync())
    return Promise.reject(
      landfallError('no-remote', 'there is no server to sync with: open the database with `remote: { url }`'),
    )
  }

  state(): SyncState {
    // A view that is still mounted may ask once more: it gets what was so last.
    if (this.#session.refusal === undefined) this.#lastState = this.#session.now(client => client.state()) as SyncState
    return this.#lastState
  }

  health(): Promise<Health> {
    return this.#session.call(client => client.health())
  }

  activity(options?: { readonly limit?: number }): Promise<readonly ActivityLine[]> {
    return this.#session.call(client => client.activity(whole(options?.limit ?? 100, 'limit')))
  }

  explain(table: TableName<S>, id: string): Promise<Story> {
    return this.#session.call(client => client.explain(text(table, 'table'), text(id, 'id')))
  }

  integrity(): Promise<Integrity> {
    return this.#session.call(client => client.integrity())
  }

  resolveOrphans(
    strategy: OrphanStrategy,
    orphans?: readonly { readonly table: string; readonly id: string }[],
  ): Promise<number> {
    return this.#session.call(client => {
      const named = orphans === undefined ? undefined : list<{ table: string; id: string }>(orphans, 'orphans')
      const pairs = named?.flatMap((orphan, at) => [
        text(orphan?.table, `orphans[${at}].table`),
        text(orphan?.id, `orphans[${at}].id`),
      ])
      return client.resolveOrphans(text(strategy, 'strategy'), pairs)
    })
  }

  on<K extends keyof EventMap>(event: K, listener: (event: EventMap[K]) => void): () => void {
    const remove = this.#listeners.add(event, listener)
    this.#tellChanges()
    return () => {
      remove()
      this.#tellChanges()
    }
  }

  #tellChanges(): void {
    if (this.#session.refusal === undefined)
      this.#session.now(client => client.tellChanges(this.#listeners.has('change')))
  }

  close(): Promise<void> {
    return this.#session.close()
  }
}

/** The tables of the schema; and for any other name one whose calls reject with `unknown-table`. */
function tablesOf<S extends SchemaDocument>(schema: S, session: Session): TablesOf<S> {
  const tables: Record<string, Table<never>> = Object.create(null)
  for (const name of Object.keys(schema.tables)) tables[name] = new Table(session, name)
  return new Proxy(Object.freeze(tables), {
    // Not for `then`: whoever awaits the tables would wait for it to be called back.
    get: (known, name) =>
      typeof name === 'string' && !(name in known) && name !== 'then'
        ? new Table(session, name)
        : Reflect.get(known, name),
  }) as unknown as TablesOf<S>
}
