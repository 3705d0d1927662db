import { loadEngine } from './engine.js'
import { fromEngine, landfallError } from './errors.js'
import { Listeners } from './events.js'
import { askForPeriodicSync } from './periodic.js'
import type { FieldsOf, TableName } from './schema.js'
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
  /** Where the engine's `.wasm` lies, if not beside this package's own files. The first call's counts. */
  readonly wasm?: string | URL
}

/** The tables of a database, by name. */
export type TablesOf<S extends SchemaDocument> = { readonly [T in TableName<S>]: Table<FieldsOf<S, T>> }

/** The mutations that are not settled. */
export interface Outbox {
  /** All of them, in the order of writing. */
  list(): Promise<readonly Mutation[]>
  /**
   * Gives a mutation up: its record is again what the server has, with what else is pending. Rejects with
   * `mutation-not-found`, `mutation-in-flight` while its outcome is unknown, `mutation-in-use` while others need it.
   */
  discard(id: string): Promise<void>
  /** Sends a parked mutation again, under a new id. Rejects with `mutation-not-found` or `mutation-not-parked`. */
  retry(id: string): Promise<void>
}

/** One open database. Any number of pages and workers may have the same one open. */
export interface Database<S extends SchemaDocument = SchemaDocument> {
  readonly name: string
  readonly tables: TablesOf<S>
  readonly outbox: Outbox
  /**
   * Sends and fetches now, without waiting for a backoff; after a pass that is under way, if there is one. Resolves also
   * when the pass ended early: `error` then says why. Rejects with `no-remote` or `closed`.
   */
  sync(): Promise<SyncResult>
  /** How sync stands: the same frozen object until it stands differently. */
  state(): SyncState
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
 * Rejects with `invalid-schema` and the path, `invalid-value` and the option, `storage-unavailable`, `outdated`, or
 * `engine-unavailable` if the engine cannot be loaded.
 */
export async function open<const S extends SchemaDocument>(options: OpenOptions<S>): Promise<Database<S>> {
  const { schema, wasm } = options
  const name = required(options.name, 'name')
  const tenant = required(options.tenant ?? 'default', 'tenant')
  const principal = required(options.principal ?? 'default', 'principal')
  const url = options.remote && required(options.remote.url, 'remote.url')
  const engine = await loadEngine(() => wasm ?? wasmLocation())
  if (engine.death !== undefined) throw engine.death

  const listeners = new Listeners<EventMap>()
  const observer: ClientObserver = {
    state: state => listeners.tell('state', state as SyncState),
    progress: progress => listeners.tell('progress', progress as EventMap['progress']),
    change: (table, ids) => listeners.tell('change', Object.freeze({ table, ids: Object.freeze(ids) })),
    parked: parked => {
      const mutation = parked as Mutation
      listeners.tell(mutation.state === 'conflict' ? 'conflict' : 'rejected', mutation)
    },
  }
  const token = options.remote?.token
  const client = await engine
    .open({ name, tenant, principal, schema, url, token, observer, selfDriven: true })
    .catch((thrown: unknown) => {
      throw fromEngine(engine.examine(thrown))
    })
  if (url !== undefined) void askForPeriodicSync(client.syncTag(), tagPrefix(name))
  return new OpenDatabase<S>(name, schema, new Session(engine, client), listeners, url !== undefined)
}

function required(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw landfallError('invalid-value', `\`${field}\` must be a string with something in it`, { field })
}

class OpenDatabase<S extends SchemaDocument> implements Database<S> {
  readonly name: string
  readonly tables: TablesOf<S>
  readonly outbox: Outbox
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
    this.outbox = Object.freeze({
      list: () => session.call<readonly Mutation[]>(async client => client.outbox()),
      discard: (id: string) => session.call<void>(client => client.discard(String(id))),
      retry: (id: string) => session.call<void>(client => client.retry(String(id))),
    })
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
