import { text } from './arguments.js'
import type { Session } from './session.js'

/** Somebody else, on another device, is editing a record. */
export interface EditLock {
  readonly table: string
  readonly recordId: string
  readonly principal: string
  readonly deviceId: string
  /** When it lapses unless it is renewed, by this device's clock. */
  readonly until: number
}

/** An edit lock that began, or that ended (`until` is `null`): it was released, or it lapsed. */
export interface LockNotice extends Omit<EditLock, 'until'> {
  readonly until: number | null
}

/** Records of one table that another device created, changed or deleted. */
export interface RemoteChange {
  readonly table: string
  /** Which ones, under the server's ids; a server need not name them all. */
  readonly ids: readonly string[]
  /** Whose change it was, where the server knows. */
  readonly principal: string | null
  readonly deviceId: string | null
  /** When the server applied it, by this device's clock. */
  readonly at: number
}

/**
 * What became of asking for a lock. None of these keeps anybody from writing.
 *
 * - `granted`: others are told that the record is edited here. It is renewed until it is released.
 * - `held`: `holder` was first
 * - `offline`: no answer came. Nobody is told; `holder` is who was last known to edit it. Ask again when `state().online`
 * - `undelivered`: the record was created here and has only a temporary id, so nobody else knows of it
 * - `unsupported`: there is no server, it has no locks, or the database was opened without `live`
 * - `refused`: the server does not allow it
 */
export type Taking =
  | { readonly granted: true; readonly reason: null; readonly holder: null; readonly until: number }
  | { readonly granted: false; readonly reason: 'held'; readonly holder: EditLock; readonly until: null }
  | {
      readonly granted: false
      readonly reason: 'offline' | 'refused'
      readonly holder: EditLock | null
      readonly until: null
    }
  | {
      readonly granted: false
      readonly reason: 'undelivered' | 'unsupported'
      readonly holder: null
      readonly until: null
    }

/**
 * Advisory edit locks: they tell people of each other, and refuse no write. A lock belongs to a device; all its tabs hold it
 * together. One that is not renewed, because its page died or lost its network, lapses within a minute.
 */
export interface Locks<T extends string = string> {
  /**
   * Takes the lock of a record, and renews it by itself while this page lives and until it is released. Taking it twice
   * takes it once. If somebody else gets it meanwhile, since this page slept, the event `lock` says so and nothing is held any more.
   *
   * It fails for no reason of the network's or the server's: those are outcomes. Rejects with `unknown-table`,
   * `invalid-value` and `closed`.
   */
  take(table: T, id: string): Promise<Taking>
  /** Gives it up. Nothing happens where it is not held. Rejects with `invalid-value` and `closed`. */
  release(table: T, id: string): Promise<void>
  /** Who else edits a record, under any id that it ever had here: the same frozen object until it is another. */
  of(table: T, id: string): EditLock | null
  /** All that others edit: the same frozen array until it is another. */
  list(): readonly EditLock[]
}

const NONE: readonly EditLock[] = Object.freeze([])

/** The edit locks of an open database. */
export function locksOf(session: Session): Locks {
  // A view that is still mounted may ask once more.
  const isOpen = () => session.refusal === undefined
  return Object.freeze<Locks>({
    take: (table, id) => session.pass(client => client.takeLock(text(table, 'table'), text(id, 'id'))),
    release: (table, id) => session.pass(client => client.releaseLock(text(table, 'table'), text(id, 'id'))),
    of: (table, id) =>
      isOpen() ? (session.now(client => client.lockOf(text(table, 'table'), text(id, 'id'))) as EditLock | null) : null,
    list: () => (isOpen() ? session.now(client => client.locks() as readonly EditLock[]) : NONE),
  })
}
