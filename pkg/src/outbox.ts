import { text, texts } from './arguments.js'
import type { Session } from './session.js'
import type { Json, Mutation } from './types.js'

/** What became of a mutation that was given up. */
export type Discarding = 'discarded' | 'withdrawing'

/**
 * The mutations that are not settled. A mutation is named by its id: {@link Mutation.id}, or a record's `_syncId` for the
 * latest that was written here. Every method rejects with a LandfallError; after an error nothing has changed.
 */
export interface Outbox {
  /** All of them, in the order of writing. */
  list(): Promise<readonly Mutation[]>
  /**
   * Gives a mutation up. Its record is again what the server has, with what else is pending; the later changes of a create
   * go with it. Resolves with `discarded`, or with `withdrawing` where the server may have got it: it is no longer shown,
   * and the server is asked to forget it. Should it turn out to be applied already, it is settled as that.
   *
   * Rejects with `mutation-not-found`, and with `mutation-in-use` while others build on it, whom the message names;
   * with `cascade` those are given up too.
   */
  discard(id: string, options?: { readonly cascade?: boolean }): Promise<Discarding>
  /**
   * Sends a parked mutation again, with a new count of attempts: for a conflict as `conflicts.resolve` with `client-wins` does. With
   * `changes` its own fields are changed first, as an update changes a record's: `undefined` removes an optional one.
   * Resolves with the id that it has now.
   *
   * Rejects with `mutation-not-found`, `mutation-not-parked`, `mutation-in-flight` for changes to one that may yet have
   * been applied, `dependency-cycle`, and with `invalid-value` or `reference-missing` and the field.
   */
  retry(id: string, changes?: { readonly [field: string]: Json | undefined }): Promise<string>
  /**
   * Lets a mutation that was never sent wait for others, whom it does not need by a reference. Those that have left the
   * outbox need no wait.
   *
   * Rejects with `mutation-not-found`, `mutation-in-flight`, `invalid-value` with the place in the list, and with
   * `dependency-cycle` and the path, if they wait for this one.
   */
  depend(id: string, on: readonly string[]): Promise<void>
}

/** The outbox of an open database. */
export function outboxOf(session: Session): Outbox {
  return Object.freeze<Outbox>({
    list: () => session.call(async client => client.outbox()),
    discard: (id, options) => session.call(client => client.discard(text(id, 'id'), options?.cascade === true)),
    retry: (id, changes) => session.call(client => client.retry(text(id, 'id'), changes)),
    depend: (id, on) => session.call(client => client.depend(text(id, 'id'), texts(on, 'on'))),
  })
}
