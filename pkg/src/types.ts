/** Plain data that crosses the package's boundary. Times are milliseconds since the Unix epoch. */

/** What JSON can say, exactly. Anything else is refused at the call with `invalid-value`. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** A field's type; a trailing `?` makes it optional (absent or `null`). */
export type FieldType = 'string' | 'number' | 'boolean' | 'json' | 'string?' | 'number?' | 'boolean?' | 'json?'

export type Priority = 'critical' | 'high' | 'medium' | 'low'

export interface ReferenceDocument {
  readonly table: string
  /** What deleting the parent does: `refuse` (the default) or delete the children too. */
  readonly onDelete?: 'cascade' | 'refuse'
}

export interface TableDocument {
  readonly fields: Readonly<Record<string, FieldType>>
  readonly references?: Readonly<Record<string, ReferenceDocument>>
  /** A field's name, or several for a compound index. */
  readonly indexes?: readonly (string | readonly string[])[]
  /** Natural keys: a field's name, or several together. The server keeps them unique. */
  readonly unique?: readonly (string | readonly string[])[]
  /** Who names a record: `temporary` (the default; the server gives the id) or `uuid` (a UUIDv7 made here). */
  readonly ids?: 'temporary' | 'uuid'
  readonly priority?: Priority | { readonly default?: Priority; readonly fields?: Readonly<Record<string, Priority>> }
}

/** The schema document: page, worker and server read the same. */
export interface SchemaDocument {
  readonly version: number
  readonly tables: Readonly<Record<string, TableDocument>>
}

export type SyncStatus = 'synced' | 'modified' | 'pending_upload' | 'conflict'

/** What every record carries besides its own fields. */
export interface SyncMetadata {
  readonly id: string
  readonly _syncStatus: SyncStatus
  /** When it was last changed on this device, or `null` if it never was. */
  readonly _localUpdatedAt: number | null
  /** When the server last changed it, by the server's clock, or `null` before it is delivered. */
  readonly _serverUpdatedAt: number | null
  /** The id of the latest mutation written here for this record, or `null`. */
  readonly _syncId: string | null
  readonly _isDeleted: boolean
  /** The server's version of it, or `null` before it is delivered. */
  readonly _version: number | null
}

type Base<F extends FieldType> = F extends `${infer T}?` ? T : F
type Value<F extends FieldType> =
  Base<F> extends 'string' ? string : Base<F> extends 'number' ? number : Base<F> extends 'boolean' ? boolean : Json
type Fields = Readonly<Record<string, FieldType>>
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends `${string}?` ? K : never }[keyof F]
type RequiredKeys<F extends Fields> = Exclude<keyof F, OptionalKeys<F>>

/** The fields of a new record. */
export type NewRecord<F extends Fields> = { readonly [K in RequiredKeys<F>]: Value<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: Value<F[K]> | null | undefined
}
/** A change to a record: the fields that change. `undefined` removes an optional field. */
export type Changes<F extends Fields> = Partial<NewRecord<F>>
/** A record as readers get it: frozen, and shared by all of them. */
export type RecordOf<F extends Fields> = { readonly [K in RequiredKeys<F>]: Value<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: Value<F[K]> | null
} & SyncMetadata

/** An index key's part. Order: null, false, true, numbers, strings (by code point). */
export type IndexValue = string | number | boolean | null

/** Which records, in which order. Without `index`, all records by id. Deleted records are left out. */
export interface Query {
  /** A declared index: a field's name, or the list of a compound index. */
  readonly index?: string | readonly string[]
  /** The index key, or a prefix of a compound key. */
  readonly equals?: IndexValue | readonly IndexValue[]
  readonly range?: {
    readonly gt?: IndexValue | readonly IndexValue[]
    readonly gte?: IndexValue | readonly IndexValue[]
    readonly lt?: IndexValue | readonly IndexValue[]
    readonly lte?: IndexValue | readonly IndexValue[]
  }
  readonly order?: 'asc' | 'desc'
  readonly offset?: number
  readonly limit?: number
}

export interface WriteOptions {
  readonly priority?: Priority
  /** `strict` waits until the operating system says that the write is on the disk. */
  readonly durability?: 'relaxed' | 'strict'
}

export type MutationState = 'pending' | 'sending' | 'conflict' | 'rejected' | 'blocked'

/** One durable intent to create, update or delete one record. */
export interface Mutation {
  /** Also the idempotency key. */
  readonly id: string
  readonly table: string
  readonly recordId: string
  readonly operation: 'create' | 'update' | 'delete'
  /** The changed fields only. */
  readonly data: { readonly [field: string]: Json }
  readonly unset: readonly string[]
  readonly baseVersion: number | null
  readonly timestamp: number
  readonly priority: Priority
  readonly attempts: number
  readonly lastAttemptAt: number | null
  readonly nextAttemptAt: number | null
  readonly error: { readonly code: string; readonly message: string; readonly field?: string } | null
  readonly dependencies: readonly string[]
  readonly state: MutationState
  readonly principal: string
  readonly schemaVersion: number
}

export type Phase = 'idle' | 'pushing' | 'pulling'

/** What sync is doing and what it has yet to do. */
export interface SyncState {
  readonly phase: Phase
  /** False when the browser says there is no network, or the last request got no answer. */
  readonly online: boolean
  readonly pending: number
  readonly sending: number
  /** Mutations that wait for somebody's decision. */
  readonly parked: number
  /** Why nothing is sent although something waits: the server asks for a sign-in, or for another principal. */
  readonly held: 'unauthenticated' | 'principal-mismatch' | null
  readonly lastSuccessAt: number | null
  readonly lastError: { readonly code: string; readonly message: string } | null
  readonly nextAttemptAt: number | null
}

/** What one pass did (V6). */
export interface SyncResult {
  readonly pushed: number
  readonly pulled: number
  readonly rejected: number
  readonly conflicts: number
  /** Still in the outbox afterwards. */
  readonly remaining: number
  readonly durationMs: number
  /** Why the pass ended early, if it did. */
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface Progress {
  readonly phase: 'pushing' | 'pulling'
  /** Mutations answered, or records received, in this pass so far. */
  readonly done: number
  /** Of how many; `null` while a pull does not know. */
  readonly total: number | null
}

export interface EventMap {
  readonly state: SyncState
  readonly progress: Progress
  /** Records changed, here or in another tab or in the worker. */
  readonly change: { readonly table: string; readonly ids: readonly string[] }
  /** A mutation was refused by the server and waits for a decision. */
  readonly rejected: Mutation
  /** Somebody else changed the record first; the mutation waits for a decision. */
  readonly conflict: Mutation
}
