import { list, object, text } from './arguments.js'
import { callApp } from './events.js'
import { fromEngine, type LandfallError } from './errors.js'
import type { Session } from './session.js'
import { CREATE, CREATE_MANY, DELETE, UPDATE } from './writes.js'
import type { Changes, FieldType, NewRecord, Query, RecordOf, WriteOptions } from './types.js'

type Fields = Readonly<Record<string, FieldType>>

/** What the engine need not look at is not handed over. */
function chosen(options: WriteOptions | undefined): WriteOptions | undefined {
  return options === undefined ? undefined : object(options, 'options')
}

/**
 * One table of an open database. Records that it hands out are frozen and shared: an unchanged record is the same object
 * each time. Every method rejects with a {@link LandfallError}; after an error nothing has changed.
 */
export class Table<F extends Fields, R = unknown> {
  readonly #session: Session
  /** Its name in the schema. */
  readonly name: string

  /** @internal */
  constructor(session: Session, name: string) {
    this.#session = session
    this.name = name
  }

  /**
   * Creates a record. Resolves when it is stored (see {@link WriteOptions.durability}), with the record: its id is a
   * temporary one until the server has given it its own, and goes on leading to it afterwards.
   *
   * Rejects with `invalid-value` and the field, `reference-missing`, `quota-exceeded`, `storage-unavailable`, `outdated`.
   */
  create(fields: NewRecord<F, R>, options?: WriteOptions): Promise<RecordOf<F, R>> {
    return this.#session.write(writes => {
      const how = chosen(options)
      return writes.add(CREATE, this.name, [this.#session.copy(fields, false, [])], how)
    })
  }

  /**
   * Creates many records in one commit: all of them or, on any error, none. Paths in errors begin with the place in the
   * list: `[3].title`.
   */
  createMany(records: readonly NewRecord<F, R>[], options?: WriteOptions): Promise<readonly RecordOf<F, R>[]> {
    return this.#session.write((writes, client) => {
      const how = chosen(options)
      return writes.add(CREATE_MANY, this.name, client.holdAll(list(records, 'list')), how)
    })
  }

  /**
   * Changes fields of a record; what is not named stays, `undefined` removes an optional field. Resolves when it is
   * stored, with the record as it is then.
   *
   * Rejects with `record-not-found`, and as {@link create} does.
   */
  update(id: string, changes: Changes<F, R>, options?: WriteOptions): Promise<RecordOf<F, R>> {
    return this.#session.write(writes => {
      const [how, record, removed] = [chosen(options), text(id, 'id'), [] as string[]]
      return writes.add(UPDATE, this.name, [this.#session.copy(changes, true, removed)], how, record, removed)
    })
  }

  /**
   * Deletes a record, and with it those that refer to it by a reference that cascades.
   *
   * Rejects with `record-not-found`, and with `reference-in-use` where a reference that refuses leads to it.
   */
  delete(id: string, options?: WriteOptions): Promise<void> {
    return this.#session.write(writes => writes.add(DELETE, this.name, [], chosen(options), text(id, 'id')))
  }

  /** A record by its id, or by a temporary id that it once had; `undefined` if there is none. */
  get(id: string): Promise<RecordOf<F, R> | undefined> {
    return this.#session.call(client => client.get(this.name, text(id, 'id')))
  }

  /** The records that a query asks for. Rejects with `unknown-index` or `invalid-query`. */
  query(query: Query = {}): Promise<readonly RecordOf<F, R>[]> {
    return this.#session.call(client => client.query(this.name, query))
  }

  /** How many records {@link query} would give. */
  count(query: Query = {}): Promise<number> {
    return this.#session.call(client => client.count(this.name, query))
  }

  /**
   * A live query: calls `changed` with its records, first as soon as they are read and then whenever they are others,
   * whoever changed them. The returned function ends it; after that nothing is called any more. `failed` is called, once
   * and instead, where the query cannot be run; without it the error is reported as uncaught.
   */
  subscribe(
    query: Query,
    changed: (records: readonly RecordOf<F, R>[]) => void,
    failed?: (error: LandfallError) => void,
  ): () => void {
    let ended = false
    const refuse = (error: LandfallError) => {
      if (ended) return
      callApp(failed ?? throwIt, error)
    }
    const refusal = this.#session.refusal
    if (refusal !== undefined) {
      queueMicrotask(() => refuse(refusal))
      return () => {
        ended = true
      }
    }
    const subscription = this.#session.now(client =>
      client.subscribe(
        this.name,
        query,
        (records: readonly RecordOf<F, R>[]) => {
          if (!ended) callApp(changed, records)
        },
        (thrown: unknown) => refuse(fromEngine(thrown)),
      ),
    )
    return () => {
      if (ended) return
      ended = true
      if (this.#session.refusal === undefined) this.#session.now(client => client.unsubscribe(subscription))
    }
  }
}

function throwIt(error: LandfallError): never {
  throw error
}
