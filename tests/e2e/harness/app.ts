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
  readonly clockOffsetMs: number | null
  readonly outdated: { readonly part: string; readonly stillReads: boolean } | null
}

export interface AppMutation {
  readonly id: string
  readonly recordId: string
  readonly state: string
  readonly withdrawing: boolean
  readonly error: { readonly code: string } | null
}

export interface AppStory {
  readonly presence: string
  readonly reason: string | null
  readonly mutations: readonly {
    readonly id: string
    readonly waits: { readonly for: string; readonly by?: string }
    readonly error: { readonly code: string } | null
  }[]
  readonly activity: readonly { readonly what: { readonly kind: string } }[]
  readonly next: { readonly kind: string; readonly mutation?: string }
  readonly sentence: string
}

export interface AppLock {
  readonly principal: string
  readonly until: number
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
  readonly outbox: {
    list(): Promise<readonly AppMutation[]>
    retry(id: string, changes?: object): Promise<string>
    discard(id: string, options?: { readonly cascade?: boolean }): Promise<string>
    depend(id: string, on: readonly string[]): Promise<void>
  }
  health(): Promise<{
    readonly healthy: boolean
    readonly reasons: readonly { readonly kind: string }[]
    readonly perTable: { readonly [table: string]: { readonly pushed: number; readonly withdrawn: number } }
  }>
  explain(table: string, id: string): Promise<AppStory>
  activity(options?: { readonly limit?: number }): Promise<readonly { readonly what: { readonly kind: string } }[]>
  readonly locks: {
    take(
      table: string,
      id: string,
    ): Promise<{ readonly granted: boolean; readonly reason: string | null; readonly holder: AppLock | null }>
    release(table: string, id: string): Promise<void>
    of(table: string, id: string): AppLock | null
  }
  on(event: string, listener: (event: unknown) => void): () => void
  readonly debug: {
    /** The fold as canonical JSON. */
    fold(): Promise<string>
  }
  close(): Promise<void>
}

declare global {
  var landfall: AppDatabase
}
