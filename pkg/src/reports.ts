/** What sync tells of itself. Plain data; times are milliseconds since the Unix epoch by this device's clock. */
import type { How } from './conflicts.js'
import type { Mutation, Refusal, SyncStatus } from './types.js'

/** A stable code, and what it says to people. */
export interface Failure {
  /** `network`, `timeout`, `foreign-answer`, `hung`, or one of the server's (docs/errors.md). */
  readonly code: string
  readonly message: string
}

/**
 * Why nothing is sent although something waits. Nothing is lost meanwhile, and no attempt is spent.
 *
 * - `unauthenticated`: the server asks for a sign-in
 * - `principal-mismatch`: somebody else is signed in
 * - `protocol-unsupported`: the server speaks another protocol: the app has to be updated
 */
export type Held = 'unauthenticated' | 'principal-mismatch' | 'protocol-unsupported'

/** This context is too old for the database: a newer release of the app has changed it. Reload; the input is to be kept. */
export interface Outdated {
  /** What is too old: Landfall itself (versions of its format), or the app's schema. */
  readonly part: 'engine' | 'schema'
  /** The least version that may do it, */
  readonly needed: number
  /** and the one that runs here. */
  readonly has: number
  /** Only writing and sending have ended: what is read is still right. */
  readonly stillReads: boolean
}

/** How many mutations stand where. */
export interface MutationCounts {
  readonly pending: number
  readonly sending: number
  readonly parked: number
}

/** Whether sync is well. */
export interface Health {
  /** Nothing is wrong: there are no `reasons`. */
  readonly healthy: boolean
  readonly reasons: readonly HealthReason[]
  /** Set when nothing comes along for longer than the backoff allows (five and a half minutes). */
  readonly stuck: Stuck | null
  readonly counts: MutationCounts
  /** How many of the pending ones need one that is parked. */
  readonly blocked: number
  /** The mutation that waits longest of those that are neither parked nor blocked. */
  readonly oldest: OldestMutation | null
  readonly held: Held | null
  readonly lastSuccessAt: number | null
  readonly lastError: Failure | null
  /** Passes of this context that failed in a row. */
  readonly consecutiveFailures: number
  /** When this context tries again, if it waits. */
  readonly nextAttemptAt: number | null
  /** By table, each of the schema's. */
  readonly perTable: { readonly [table: string]: TableHealth }
}

/** What is wrong. */
export type HealthReason =
  | ({ readonly kind: 'stuck' } & Stuck)
  | { readonly kind: 'held'; readonly why: Held }
  /** Somebody must retry, edit or discard these. */
  | { readonly kind: 'needs-decision'; readonly parked: number; readonly blocked: number }
  /** This context writes and sends nothing any more: `outdated` or `corrupt`. */
  | { readonly kind: 'stopped'; readonly code: string }

/**
 * Nothing has come along for `forMs` milliseconds, and why.
 *
 * - `unreachable`: there is no connection to the server
 * - `failing`: the server answers, and not with what is needed
 * - `hung`: passes begin, and nothing happens in them
 * - `lease-kept`: another tab has the right to sync and does nothing with it
 * - `no-pass`: nobody tries
 */
export type Stuck = { readonly forMs: number } & (
  | { readonly why: 'unreachable' | 'hung' | 'lease-kept' | 'no-pass' }
  | { readonly why: 'failing'; readonly code: string }
)

export interface OldestMutation {
  readonly id: string
  readonly table: string
  readonly recordId: string
  readonly writtenAt: number
  /** For how long it could have been sent, in milliseconds; right also where the clock was set meanwhile. */
  readonly ageMs: number
}

/** One table's part: what waits, and what was done since the database was made. */
export interface TableHealth extends MutationCounts {
  readonly pushed: number
  readonly pulled: number
  readonly conflicts: number
  /** Of these, settled by rules. */
  readonly merged: number
  readonly rejected: number
  /** Given up after they may have been sent, and never applied. */
  readonly withdrawn: number
  readonly lastPushedAt: number | null
  readonly lastPulledAt: number | null
}

/** A line of the activity log: what sync did, and why. */
export interface ActivityLine {
  /** Counts up, over all contexts of the database. */
  readonly number: number
  readonly at: number
  readonly what: Happening
  /** The line for people, in English. */
  readonly sentence: string
}

/** Which change a line is about. */
export interface ActivitySubject {
  readonly mutation: string
  readonly operation: Mutation['operation']
  readonly table: string
  /** The id that the record has now. */
  readonly record: string
}

type ByTable = { readonly [table: string]: number }

/** What happened. */
export type Happening =
  /** The server applied these many changes. */
  | { readonly kind: 'pushed'; readonly applied: ByTable }
  /** A change waits for a decision since then. */
  | {
      readonly kind: 'parked'
      readonly of: ActivitySubject
      readonly conflict: boolean
      readonly reason: Refusal
    }
  /** These many rows that were news came. */
  | { readonly kind: 'pulled'; readonly rows: ByTable }
  /** Everything of a set of tables is pulled again, because of what the server said (`code`). */
  | { readonly kind: 'full-pull-began'; readonly set: string; readonly code: string }
  /** That is done; what the server no longer has was dropped. */
  | { readonly kind: 'full-pull-ended'; readonly dropped: ByTable }
  /** The server was restored from a backup, or replaced. */
  | { readonly kind: 'epoch-changed'; readonly before: string; readonly after: string }
  /** A person gave a change up. */
  | { readonly kind: 'discarded'; readonly of: ActivitySubject }
  /** The server gave a change up because it was asked to: it will never be applied. */
  | { readonly kind: 'withdrawn'; readonly of: ActivitySubject }
  /** A person had a parked change sent again, under a new id. */
  | { readonly kind: 'retried'; readonly of: ActivitySubject; readonly successor: string }
  /** What met in a record was settled. `kept`: the conflict that has what lost; `null` where nothing did. */
  | {
      readonly kind: 'settled'
      readonly of: ActivitySubject
      readonly how: How
      readonly contested: number
      readonly kept: string | null
    }
  /** That was taken back. */
  | { readonly kind: 'undone'; readonly of: ActivitySubject }
  /** The record has a key in common with another one (`alike` in the schema): perhaps it is there twice. */
  | { readonly kind: 'alike'; readonly of: ActivitySubject; readonly other: string }
  /** A pass failed for a new reason. `waitMs`: the server asked for that pause. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly waitMs: number | null }
  | { readonly kind: 'held'; readonly why: Held }
  /** A pass in which nothing happened for `silentMs` was given up, to be begun again. */
  | { readonly kind: 'hung'; readonly silentMs: number }
  /** A pass succeeded after some that had not. */
  | { readonly kind: 'resumed' }

/** Whether everything that is referred to is there. Lists are in the order of tables, ids and fields. */
export interface Integrity {
  /** Records that are not deleted. */
  readonly recordsChecked: number
  /** References in them that name a parent. */
  readonly referencesChecked: number
  /** References to a parent that is not here, and that nobody has decided about. */
  readonly orphans: readonly Orphan[]
  /** Those that wait for their parent to be pulled. */
  readonly queued: readonly Orphan[]
  /** How many of them somebody decided to keep. */
  readonly kept: number
  /** Records of one table that refer to each other in a circle: each to the next, the last to the first. */
  readonly circles: readonly { readonly table: string; readonly field: string; readonly ids: readonly string[] }[]
  /** Temporary ids that nothing will exchange: a record's own, where `field` is `null`, or one that it refers to. */
  readonly unresolved: readonly {
    readonly table: string
    readonly id: string
    readonly field: string | null
    readonly temporary: string
  }[]
}

/** A record whose parent is not here. */
export interface Orphan {
  readonly table: string
  readonly id: string
  readonly field: string
  readonly parentTable: string
  readonly parentId: string
  /** Nothing is known of the parent (it was not pulled, or left the scope), or it is deleted. */
  readonly why: 'missing' | 'deleted'
}

/** What is done about an orphan: see `db.resolveOrphans`. */
export type OrphanStrategy = 'delete' | 'keep' | 'queue'

/** Everything that is known of one record. */
export interface Story {
  readonly table: string
  /** The id that it has now, */
  readonly id: string
  /** and those that it had before. */
  readonly formerIds: readonly string[]
  /** `deleted`: here or on the server, and still remembered. `gone`: only what happened to it is known. */
  readonly presence: 'here' | 'deleted' | 'gone'
  readonly status: SyncStatus
  /** In short, why it does not get to the server; `null` for one that does, or has. */
  readonly reason: SyncReason | null
  /** The server's version that all of this builds on. */
  readonly baseVersion: number | null
  /** A newer one that came since. */
  readonly theirs: { readonly version: number; readonly deleted: boolean } | null
  /** By the server's clock. */
  readonly serverUpdatedAt: number | null
  /** What is not settled, in the order of writing. */
  readonly mutations: readonly Outstanding[]
  /** What sync noted about it, oldest first. */
  readonly activity: readonly ActivityLine[]
  readonly next: Next
  /** What happens next, for people, in English. */
  readonly sentence: string
}

/** Why a record does not get to the server: `blocked` needs another change that is parked; `held` needs a sign-in. */
export type SyncReason = 'conflict' | 'rejected' | 'blocked' | 'held'

/** A mutation that is not settled. */
export interface Outstanding {
  readonly id: string
  readonly operation: Mutation['operation']
  /** The names of the fields that it sets, and of those that it removes. */
  readonly fields: readonly string[]
  readonly unset: readonly string[]
  readonly baseVersion: number | null
  readonly writtenAt: number
  readonly state: 'pending' | 'sending' | 'conflict' | 'rejected'
  /** It was given up, and the server is asked to forget it. */
  readonly withdrawing: boolean
  readonly waits: Waiting
  /** How often it failed by a fault of its own. */
  readonly attempts: number
  readonly lastAttemptAt: number | null
  readonly error: Refusal | null
}

/** What a mutation waits for. */
export type Waiting =
  /** Somebody's decision: it is parked. */
  | { readonly for: 'decision' }
  /** Somebody's decision about another one, which it needs. */
  | { readonly for: 'blocked'; readonly by: string; readonly table: string; readonly recordId: string }
  /** The sign-in of the one who wrote it. */
  | { readonly for: 'author'; readonly principal: string }
  /** The server's answer: it may have been sent. */
  | { readonly for: 'answer' }
  /** The one before it of the same record. */
  | { readonly for: 'earlier'; readonly mutation: string }
  /** Another one, which must be applied before it. */
  | { readonly for: 'dependency'; readonly mutation: string; readonly table: string; readonly recordId: string }
  | { readonly for: 'sign-in'; readonly why: Held }
  /** A time: the server asked for it, or it failed a moment ago. */
  | { readonly for: 'time'; readonly at: number }
  /** The end of a pause between requests. */
  | { readonly for: 'pause'; readonly until: number }
  /** Its turn, after so many others. */
  | { readonly for: 'turn'; readonly ahead: number }

/** What happens next with a record. */
export type Next =
  /** Nothing: the server has it as it is here. */
  | { readonly kind: 'nothing' }
  /** Somebody retries, edits or discards this change, of this record or of one that it needs. */
  | {
      readonly kind: 'decide'
      readonly mutation: string
      readonly table: string
      readonly recordId: string
      readonly code: string
      readonly message: string
    }
  | { readonly kind: 'sign-in'; readonly why: Held }
  | { readonly kind: 'author-signs-in'; readonly principal: string }
  /** The app is loaded anew: this context sends nothing any more. */
  | { readonly kind: 'restart'; readonly code: string }
  /** It is sent when there is a connection, */
  | { readonly kind: 'connect' }
  /** at this time, */
  | { readonly kind: 'send-at'; readonly at: number }
  /** after the change that it needs, */
  | { readonly kind: 'send-after'; readonly mutation: string; readonly table: string; readonly recordId: string }
  /** or with the next requests, after so many others. */
  | { readonly kind: 'send'; readonly ahead: number }
  /** The server is asked again for the answer that is missing. */
  | { readonly kind: 'ask-again' }
  /** It was given up, and the server is asked to forget it. */
  | { readonly kind: 'withdraw' }
