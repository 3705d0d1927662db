/** What the pages of the demo and of the test site have as `globalThis.landfall`: the open database, loosely typed. */
export interface AppRecord {
  readonly id: string
  readonly _syncStatus: string
  readonly _version: number | null
  readonly [field: string]: unknown
}

export interface AppTable {
  create(fields: object, options?: object): Promise<AppRecord>
  createMany(list: readonly object[]): Promise<readonly AppRecord[]>
  update(id: string, changes: object, options?: object): Promise<AppRecord>
  delete(id: string, options?: object): Promise<void>
  get(id: string): Promise<AppRecord | undefined>
  query(query: object): Promise<readonly AppRecord[]>
  count(query: object): Promise<number>
  subscribe(query: object, changed: (rows: readonly AppRecord[]) => void): () => void
}

export interface AppState {
  readonly phase: string
  readonly online: boolean
  readonly pending: number
  readonly sending: number
  readonly parked: number
  readonly held: string | null
  readonly lastSuccessAt: number | null
  readonly lastError: { readonly code: string; readonly message: string } | null
}

export interface AppDatabase {
  readonly tables: { readonly [name: string]: AppTable }
  sync(): Promise<{
    readonly pushed: number
    readonly pulled: number
    readonly remaining: number
    readonly error: { readonly code: string } | null
  }>
  state(): AppState
  readonly outbox: { list(): Promise<readonly { readonly id: string; readonly state: string }[]> }
  readonly debug: {
    /** The fold as canonical JSON. */
    fold(): Promise<string>
  }
  close(): Promise<void>
}

declare global {
  var landfall: AppDatabase
}
