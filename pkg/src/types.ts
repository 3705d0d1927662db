/** Plain data that crosses the package's boundary. Times are milliseconds since the Unix epoch. */
import type { Conflict, Strategy } from './conflicts.js'
import type { LockNotice, RemoteChange } from './locks.js'
import type { Failure, Held, Outdated, SyncReason } from './reports.js'

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
  /** How it is pulled. Tables with the same rule are pulled together. */
  readonly pull?: {
    /** Not again before this long after the last time, in milliseconds, unless `db.sync()` asks; 0: with every pass. */
    readonly everyMs?: number
    /** The scope of which it is pulled; without one, all of it. */
    readonly scope?: string
    /** What is more urgent (`medium` by default) is pulled before the rest, with the tables that it refers to: of a first sync the first screen's. */
    readonly priority?: Priority
  }
  /** Keys that two records seldom share by intent: when a second one comes, the activity tells of it. */
  readonly alike?: readonly (string | readonly string[])[]
  /** How it is told that somebody else was there first, and what becomes of fields without a rule. */
  readonly conflict?: ConflictDocument
  /** What becomes of what both sides changed: by dotted path, where `*` stands for any key, place or entry. */
  readonly rules?: Readonly<Record<string, RuleDocument>>
  /** Values that follow from a record's children, by name. Nobody writes them. */
  readonly rollups?: Readonly<Record<string, RollupDocument>>
}

export interface ConflictDocument {
  /** By the record's version (the default), by when it was changed (the server's clock), or by its content. */
  readonly detect?: 'version' | 'timestamp' | 'hash'
  /** `merge`, if absent: what no rule settles waits for a person. */
  readonly strategy?: Strategy
}

/** How two values become one; what does not fit the values, as the highest of two texts, leaves them to a person. */
export type Way =
  /** The server's, this device's, or the one that was written later, by the server's clock. */
  | 'server'
  | 'client'
  | 'latest'
  /** Of numbers. */
  | 'highest'
  | 'lowest'
  /** What was added on both sides is added up. */
  | 'counter'
  /** Two texts, line by line. */
  | 'text'
  /** All entries of both lists; two lists place by place. */
  | 'union'
  | 'positions'
  /** A person decides. */
  | 'manual'

export type RuleDocument =
  | Way
  | ({ /** The user is to be told. */ readonly notify?: boolean } & (
      | { readonly [way in Exclude<Way, 'union'>]?: true }
      /** Of two texts the one that stands further on in the list. */
      | { readonly progression: readonly string[] }
      | {
          /** Entries are told apart by the key `by`; those whose times come to overlap are flagged. */
          readonly union: true | { readonly by?: string; readonly overlap?: readonly [start: string, end: string] }
        }
      /** A function that the app registers under this name. */
      | { readonly function: string }
    ))

type Scalar = string | number | boolean | null
/** Conditions on fields: each must hold one of its values. An absent field is `null`. */
export type Condition = Readonly<Record<string, Scalar | readonly Scalar[]>>

interface RollupOptions {
  /** Which children count. */
  readonly where?: Condition
  /** Their reference that makes them children; needed where there are several to this table. */
  readonly by?: string
  /**
   * Whether a change made here is sent to the server as an update of the parent; a field of that name must be declared
   * then. Otherwise it is derived on each device and never sent.
   */
  readonly write?: boolean
}

/**
 * A value that is derived from a record's children (those that are not deleted), in the same commit as what it follows
 * from: how many there are (`count`); whether there are some and all of them meet the condition (`all`); the mean, sum,
 * least or greatest of a field or roll-up of theirs. Of no children: 0 for `count` and `sum`, `false` for `all`, `null`
 * for the others.
 */
export type RollupDocument = RollupOptions &
  (
    | { readonly count: string }
    | { readonly all: string; readonly where: Condition }
    | { readonly average: string; readonly of: string }
    | { readonly sum: string; readonly of: string }
    | { readonly min: string; readonly of: string }
    | { readonly max: string; readonly of: string }
  )

/** The schema document: page, worker and server read the same. */
export interface SchemaDocument {
  /** The app's number for this shape of its data; to be raised with every change. */
  readonly version: number
  /**
   * The least version of the schema whose tabs may still read what this one's write, and
   */
  readonly minReader?: number
  /**
   * the least whose tabs may write beside them. Raise these (1, if absent) only for what an older release would misread or damage:
   * its tabs then say `outdated`, keep the input and ask to be reloaded.
   */
  readonly minWriter?: number
  readonly tables: Readonly<Record<string, TableDocument>>
  /** What holds for tables that do not say it themselves. */
  readonly conflict?: ConflictDocument
  /**
   * Named parts of the data, which the server cuts out: by scope and table, conditions on its fields. `$principal` stands for the
   * one who is signed in. What refers to a record that is filtered comes and goes with it.
   */
  readonly scopes?: Readonly<Record<string, Readonly<Record<string, Condition>>>>
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
  /** Absent, but for a record of which a change waits for somebody's decision: in short, why. `db.explain` says more. */
  readonly _syncReason?: SyncReason
}

type Base<F extends FieldType> = F extends `${infer T}?` ? T : F
type Value<F extends FieldType> =
  Base<F> extends 'string' ? string : Base<F> extends 'number' ? number : Base<F> extends 'boolean' ? boolean : Json
type Fields = Readonly<Record<string, FieldType>>
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends `${string}?` ? K : never }[keyof F]
type RequiredKeys<F extends Fields> = Exclude<keyof F, OptionalKeys<F>>

/** The fields of a new record: those of `F` but for the roll-ups `R`. */
export type NewRecord<F extends Fields, R = unknown> = {
  readonly [K in Exclude<RequiredKeys<F>, keyof R>]: Value<F[K]>
} & {
  readonly [K in Exclude<OptionalKeys<F>, keyof R>]?: Value<F[K]> | null | undefined
} & { readonly [K in keyof R]?: never }
/** A change to a record: the fields that change. `undefined` removes an optional field. */
export type Changes<F extends Fields, R = unknown> = Partial<NewRecord<F, R>>
/** A record as readers get it, with its roll-ups: frozen, and shared by all of them. */
export type RecordOf<F extends Fields, R = unknown> = {
  readonly [K in Exclude<RequiredKeys<F>, keyof R>]: Value<F[K]>
} & {
  readonly [K in Exclude<OptionalKeys<F>, keyof R>]?: Value<F[K]> | null
} & R &
  SyncMetadata

/** What a roll-up of the schema `S` holds. */
export type RollupValue<S extends SchemaDocument, R> = R extends { readonly count: string } | { readonly sum: string }
  ? number
  : R extends { readonly all: string }
    ? boolean
    : R extends { readonly average: string }
      ? number | null
      : R extends { readonly min: infer T; readonly of: infer K } | { readonly max: infer T; readonly of: infer K }
        ? FieldValue<S, T, K> | null
        : never
/** A child's field; a roll-up of it, which may be the one or the other, if it is none. */
type FieldValue<S extends SchemaDocument, T, K> = T extends keyof S['tables']
  ? K extends keyof S['tables'][T]['fields']
    ? Value<S['tables'][T]['fields'][K]>
    : number | string
  : never

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
  /** Instead of what the schema says. */
  readonly priority?: Priority
  /**
   * Mutations that the server has to apply before this one, by their ids: a record's `_syncId`, or `outbox.list()`. What a
   * record refers to need not be named. One that has left the outbox needs no wait.
   */
  readonly dependsOn?: readonly string[]
  /** `strict` waits until the operating system says that the write is on the disk. */
  readonly durability?: 'relaxed' | 'strict'
}

/**
 * Where a mutation stands: it waits for its turn (`pending`), may have been sent (`sending`), or waits for somebody's
 * decision: `conflict`, `rejected`, or `blocked` by one of those.
 */
export type MutationState = 'pending' | 'sending' | 'conflict' | 'rejected' | 'blocked'

/** Why a mutation is not done as it is. */
export interface Refusal {
  /** The server's code (docs/errors.md), or `attempts-spent` after as many failures as its priority allows. */
  readonly code: string
  readonly message: string
  /** The field at fault, where there is one. */
  readonly field?: string
  /**
   * What kind of failure it is: `transient` may pass; with `validation` somebody has to change it or give it up; in a
   * `conflict` somebody else was there first; `critical` needs a sign-in or an update of the app.
   */
  readonly class: 'transient' | 'validation' | 'conflict' | 'critical'
}

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
  /** What its last definite answer or failure was; the reason where it is parked. */
  readonly error: Refusal | null
  /** Mutations that must be applied before it. */
  readonly dependencies: readonly string[]
  readonly state: MutationState
  /** It was given up after it may have been sent: the server is asked to forget it, and nothing of it is shown. */
  readonly withdrawing: boolean
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
  readonly held: Held | null
  readonly lastSuccessAt: number | null
  readonly lastError: Failure | null
  readonly nextAttemptAt: number | null
  /** By how much the server's clock is ahead of this device's, in milliseconds, as far as its answers tell. */
  readonly clockOffsetMs: number | null
  /** A newer release of the app has changed the database: this context writes and sends nothing more. */
  readonly outdated: Outdated | null
}

/** What one pass did (V6). */
export interface SyncResult {
  readonly pushed: number
  readonly pulled: number
  readonly rejected: number
  /** Met changes by others, and were settled by rules: what came of it is sent as another mutation. */
  readonly merged: number
  /** Met changes by others, and wait for a decision. */
  readonly conflicts: number
  /** Still in the outbox afterwards. */
  readonly remaining: number
  readonly durationMs: number
  /** Why the pass ended early, if it did. */
  readonly error: Failure | null
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
  /** A change met one by somebody else: the conflict is open, was settled, or its settlement was taken back. */
  readonly conflict: Conflict
  /** Somebody else began to edit a record, or ended: `until` is then `null`. That it goes on is not told. */
  readonly lock: LockNotice
  /**
   * Another device changed records of one table, a moment ago: it is being fetched, and `change` is told when it is here. Nothing is
   * told of what happened while nobody listened.
   */
  readonly 'remote-change': RemoteChange
  /**
   * A newer release of the app has changed the database, and this context is too old for it. Told once; who opens the
   * database only then finds it in `state()`.
   */
  readonly outdated: Outdated
}
