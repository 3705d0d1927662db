import { list, object, text } from './arguments.js'
import { landfallError } from './errors.js'
import type { Session } from './session.js'
import type { Json } from './types.js'

/** What met what: the first word is ours, the second the server's side. */
export type ConflictKind = 'update-update' | 'update-delete' | 'delete-update' | 'create-create'

/**
 * How much of a conflict it is: `definite` where both sides changed one value, each otherwise, or one deleted what the other changed;
 * `potential` where both changed the record and nothing alike; `none` where only one did.
 */
export type ConflictClass = 'none' | 'potential' | 'definite'

/** Whether it waits for somebody, was settled, or its settlement was taken back. */
export type ConflictState = 'open' | 'settled' | 'undone'

/** What becomes of all that is contested: presets of field rules. With `merge` the table's own rules count. */
export type Strategy = 'server-wins' | 'client-wins' | 'last-write-wins' | 'merge' | 'manual'

/** By what a conflict was settled: the schema's rules with nobody asked, a strategy, values by hand, or the change was given up. */
export type How = 'rules' | Strategy | 'discarded'

/** A record's own fields. */
export type Fields = { readonly [field: string]: Json }

/** One contested value: its three versions, and what became of it. A version that is absent was not there. */
export interface Ruling {
  /** The field, then the keys of objects, the places of lists, the names of entries. */
  readonly path: readonly string[]
  readonly base?: Json
  readonly ours?: Json
  readonly theirs?: Json
  /** `person`, or the word of the rule that settled it. Absent: it is open. */
  readonly by?: string
  /** What it is now. Absent where it is open, or not there any more. */
  readonly value?: Json
  /** The rule says that the user is to be told. */
  readonly notify?: boolean
  /** Entries that overlap since and did before on neither side, two by two, by their names. */
  readonly overlaps?: readonly (readonly [string, string])[]
}

/** One conflict. Times are by this device's clock, but for `theirsAt`. */
export interface Conflict {
  /** That of the mutation that met it. */
  readonly id: string
  readonly table: string
  readonly recordId: string
  readonly kind: ConflictKind
  readonly class: ConflictClass
  readonly state: ConflictState
  readonly foundAt: number
  /** Who wrote ours. */
  readonly principal: string
  /** The other record, where that has the natural key of the one that was to be created. */
  readonly holder: string | null
  /** The three versions. `null`: there was none, it is deleted, or it is not known yet. */
  readonly base: Fields | null
  readonly ours: Fields | null
  readonly theirs: Fields | null
  /** When the server made theirs, by its clock; known while the conflict is open. */
  readonly theirsAt: number | null
  readonly theirVersion: number | null
  /** What came of it; while it is open, what the rules alone would make, with theirs where they leave something open. */
  readonly merged: Fields | null
  /** The contested values, in the order of their paths. */
  readonly rulings: readonly Ruling[]
  readonly resolution: Resolution | null
}

/** How a conflict ended. */
export interface Resolution {
  readonly how: How
  /** Who settled it; by rules, the one who wrote ours. */
  readonly by: string
  readonly at: number
  /** The mutation that carries the outcome to the server; `null` where the server had it. */
  readonly mutation: string | null
  /** The record that was created in place of the deleted one. */
  readonly created: string | null
  readonly undone: { readonly by: string; readonly at: number } | null
}

/** What was chosen for a contested value: one of its versions, a value of one's own, or (`{}`) nothing at all. */
export type Choice = 'ours' | 'theirs' | { readonly value?: Json }

/**
 * How conflicts are settled: by one strategy for all that is contested, or by choices, each for a value or for all that lies below
 * it; what no choice names goes by the strategy, if one is given, and by the table's rules if not.
 */
export type Decision =
  | Strategy
  | {
      readonly strategy?: Strategy
      /** By dotted path (`address.city`); or as a list with {@link Ruling.path}, for names with dots in them. */
      readonly choices?:
        | { readonly [path: string]: Choice }
        | readonly (
            | { readonly path: readonly string[]; readonly choose: 'ours' | 'theirs' }
            | { readonly path: readonly string[]; readonly value?: Json }
          )[]
    }

/** Which conflicts. Without a member it does not matter. */
export interface ConflictFilter {
  readonly state?: ConflictState
  readonly table?: string
  readonly kind?: ConflictKind
  readonly how?: How
  /** A record, under any id that it ever had here. */
  readonly recordId?: string
  /** Those in which a value of this field is contested. */
  readonly field?: string
}

export interface ConflictQuery extends ConflictFilter {
  /** The newest first, if absent. */
  readonly order?: 'newest' | 'oldest' | 'record'
  readonly offset?: number
  readonly limit?: number
}

export interface ConflictPage {
  readonly conflicts: readonly Conflict[]
  /** How many there are, whatever the offset and the limit. */
  readonly total: number
}

/** What would become of an open conflict. */
export interface Preview {
  readonly kind: ConflictKind
  readonly base: Fields | null
  readonly ours: Fields | null
  readonly theirs: Fields | null
  /** `null`: deleted, or nobody has decided. */
  readonly merged: Fields | null
  readonly rulings: readonly Ruling[]
  /** Nothing is left to decide. */
  readonly settled: boolean
}

export interface ConflictTally {
  readonly open: number
  readonly settled: number
  readonly undone: number
}

/** What is kept of conflicts, counted. */
export interface ConflictStats {
  readonly all: ConflictTally
  readonly byTable: { readonly [table: string]: ConflictTally }
  readonly byKind: { readonly [kind in ConflictKind]?: ConflictTally }
  readonly byHow: { readonly [how in How]?: number }
  /** Contested values, by table and path. */
  readonly byField: { readonly [field: string]: number }
  /** By table: changes that met one by somebody else and were settled by rules, also those in which nothing lost. */
  readonly merged: { readonly [table: string]: number }
}

/**
 * An app's function as a rule: from the three versions of a contested value to what it is to be. `undefined`, or an error, leaves it to a
 * person. It is called in the middle of a commit, perhaps more than once: it must be quick, must not touch the database, and
 * must give the same for the same. The page and the service worker are to have the same functions.
 */
export type MergeFunction = (contested: Pick<Ruling, 'path' | 'base' | 'ours' | 'theirs'>) => Json | undefined

/**
 * Changes that met those of somebody else: what waits for a person, and what was settled, with all that lost. Every method rejects with a
 * LandfallError; after an error nothing has changed.
 */
export interface Conflicts {
  list(query?: ConflictQuery): Promise<ConflictPage>
  /** `null`: there is none of that id. */
  get(id: string): Promise<Conflict | null>
  stats(): Promise<ConflictStats>
  /** What would become of an open conflict; nothing is changed. Rejects as {@link resolve}. */
  preview(id: string, decision: Decision): Promise<Preview>
  /**
   * Settles conflicts by one decision, all or none. What one side alone changed is that side's whatever is decided. Where both
   * created a record with one natural key, ours becomes theirs; to keep both, retry the mutation with another key.
   *
   * Rejects with `conflict-open` and the path where something is left to decide, `conflict-not-found`, `conflict-settled`,
   * `conflict-waits`, `theirs-unknown`, `invalid-value`, `reference-missing`, `mutation-in-use`.
   */
  resolve(id: string | readonly string[], decision: Decision): Promise<void>
  /** Settles those open conflicts of a filter that this decision settles; the others stay open. Both by their ids. */
  resolveAlike(
    filter: ConflictFilter,
    decision: Decision,
  ): Promise<{ readonly settled: readonly string[]; readonly open: readonly string[] }>
  /**
   * Takes a settlement back: where theirs stood, ours is put in place again, and otherwise theirs, by a new mutation; its id, or
   * `null` if nothing had to be changed. Rejects with `conflict-outlived` and the field, if that was changed since.
   */
  undo(id: string): Promise<string | null>
  /** Forgets what was settled before a time; how many. Nothing of the history goes by itself. */
  forget(before: number): Promise<number>
}

const decisionOf = (decision: Decision): Decision =>
  typeof decision === 'string' ? decision : object(decision, 'decision')

/** The conflicts of an open database. */
export function conflictsOf(session: Session): Conflicts {
  return Object.freeze<Conflicts>({
    list: query => session.call(client => client.conflicts(query)),
    get: id => session.call(client => client.conflict(text(id, 'id'))),
    stats: () => session.call(client => client.conflictStats()),
    preview: (id, decision) => session.call(client => client.previewConflict(text(id, 'id'), decisionOf(decision))),
    resolve: async (id, decision) => {
      const ids = typeof id === 'string' ? [id] : list<string>(id, 'id').map((one, at) => text(one, `id[${at}]`))
      await session.call(client => client.resolveConflicts(ids, decisionOf(decision)))
    },
    resolveAlike: async (filter, decision) => {
      const [settled = [], open = []] = await session.call<readonly (readonly string[])[]>(client =>
        client.resolveAlike(object(filter, 'filter'), decisionOf(decision)),
      )
      return Object.freeze({ settled, open })
    },
    undo: id => session.call(client => client.undoConflict(text(id, 'id'))),
    forget: before =>
      session.call(client => {
        if (before < 0 || !Number.isFinite(before)) {
          throw landfallError('invalid-value', '`before` must be a time in milliseconds', { field: 'before' })
        }
        return client.forgetConflicts(before)
      }),
  })
}
